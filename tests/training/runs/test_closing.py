import re
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.manifest import NAME_PATTERN
from mirage.training.config import build_config
from mirage.training.runs.closing import closing, opening
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY
from tests.training.helpers.sequences import SOUND


def ended(folder: Path, kimg: float = 1, name: str = "mine", **statistics: float) -> Run:
    run = Run(folder / name)
    run.write_config(build_config("mnist", {**TINY, "kimg": kimg}), {"fingerprint": "f"})
    run.append_stats({"nimg": 1000, **statistics})
    run.snapshot_path(1000).touch()
    run.save_grid(1000, np.zeros((4, 8, 8, 1), np.uint8), 2)
    return run


def test_the_beginning_says_where_images_appear_and_how_to_watch_and_to_stop(
    tmp_path: Path,
) -> None:
    text = "\n".join(opening(Run(tmp_path / "my run")))
    assert str(tmp_path / "my run" / "samples") in text
    assert f"mirage watch '{tmp_path / 'my run'}'" in text
    assert "Ctrl+C" in text


def test_says_where_the_result_is_how_it_was_judged_and_the_next_command(tmp_path: Path) -> None:
    run = ended(tmp_path, spread=0.9, entropy=0.8)
    text = "\n".join(closing(run, "my pictures"))
    assert f"{run.snapshots / '000001000.safetensors'} after 1 kimg" in text
    assert str(run.samples / "000001000.png") in text
    assert "spread 0.90 and entropy 0.80 of that of real images" in text
    assert "no sign of collapse" in text
    assert f"evaluate {run.path} --data 'my pictures' --fast" in text
    assert f"export {run.path} --to models/mine" in text
    assert "stopped" not in text


def test_suggests_no_estimate_to_upscalers_which_have_none(tmp_path: Path) -> None:
    run = ended(tmp_path)
    Run(run.path).config_file.unlink()
    run.write_config(build_config("photo-x4", {"kimg": 1}), {"fingerprint": "f"})
    assert f"next           mirage evaluate {run.path} --data data" in closing(run, "data")


@pytest.mark.parametrize(
    ("run", "model"),
    [("My.Run 1", "my-run-1"), ("K", "k"), ("_a", "a"), ("鳥", "mine"), ("a" * 80, "a" * 63)],
)
def test_the_next_command_names_a_model_as_models_may_be_named(
    tmp_path: Path, run: str, model: str
) -> None:
    last = list(closing(ended(tmp_path, name=run), None))[-1]
    assert last.endswith(f" --to models/{model}")
    assert re.fullmatch(NAME_PATTERN, model)


def test_a_run_of_sounds_speaks_of_sounds(tmp_path: Path) -> None:
    run = ended(tmp_path, spread=0.9)
    config, _ = run.read_config()
    run.config_file.unlink()
    run.write_config(config, {"fingerprint": "f", **SOUND.facts()})
    text = "\n".join(closing(run, None))
    assert "sounds         " in text
    assert "of that of real sounds" in text
    assert "whether the sounds are good" in text
    assert "images" not in text


def test_noise_is_no_result_however_short_the_training_was(tmp_path: Path) -> None:
    text = "\n".join(closing(ended(tmp_path, spread=0.02, entropy=0.8), "data"))
    assert "beyond a limit: spread" in text
    assert "no sign of collapse" not in text


def test_a_run_that_was_stopped_says_how_it_continues(tmp_path: Path) -> None:
    assert "stopped        before 5 kimg; the same command continues" in closing(
        ended(tmp_path, kimg=5), None
    )
