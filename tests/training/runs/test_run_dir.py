import fcntl
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.config import build_config
from mirage.training.errors import DataError, LockedError, UsageError
from mirage.training.runs import run_dir
from mirage.training.runs.command import Command
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset
from tests.training.helpers.runs import write_run

DATA = shapes_dataset().sheet()


def test_keeps_its_configuration(tmp_path: Path) -> None:
    config = build_config("mnist", TINY)
    Run(tmp_path / "run").write_config(config, DATA)
    assert Run(tmp_path / "run").read_config() == (config, DATA)


def test_may_train_longer_but_not_with_other_settings(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_config(build_config("mnist", TINY), DATA)
    run.write_config(build_config("mnist", {**TINY, "kimg": 9, "status_kimg": 3}), DATA)
    with pytest.raises(UsageError, match=r"latent_dim was 8 and is 16; use a new --run"):
        run.write_config(build_config("mnist", {**TINY, "latent_dim": 16}), DATA)
    with pytest.raises(UsageError, match="started with other data"):
        run.write_config(build_config("mnist", TINY), {**DATA, "fingerprint": "other"})


def test_names_the_data_rather_than_the_settings_that_were_chosen_for_them(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_config(build_config("mnist", TINY), DATA)
    with pytest.raises(UsageError, match="other data, or read them with other flags, such as --s"):
        run.check_config(
            build_config("mnist", {**TINY, "palette": 16}), {**DATA, "fingerprint": "other"}
        )


def test_cannot_be_made_shorter_than_it_is_already(tmp_path: Path) -> None:
    run = write_run(tmp_path, kimg=4, reports=2)
    for kimg in (1.9, 0.1):
        with pytest.raises(UsageError, match=rf"kimg is {kimg}; .* has shown 2 already"):
            run.check_length(kimg)
    run.check_length(2)
    Run(tmp_path / "new").check_length(0.1)


def test_the_last_batch_may_end_after_the_length(tmp_path: Path) -> None:
    write_run(tmp_path, kimg=1.995, reports=2).check_length(1.995)


def test_locks_the_run(tmp_path: Path) -> None:
    first, second = Run(tmp_path).locked(), Run(tmp_path).locked()
    with first, pytest.raises(LockedError, match="by another process"), second:
        raise AssertionError("two at once")


def test_tells_whether_it_is_being_trained(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert not run.is_locked()
    with run.locked():
        assert Run(tmp_path).is_locked()
    assert not run.is_locked()


def test_looking_at_the_lock_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    run.lock_file.touch()
    with run.lock_file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        monkeypatch.setattr(run_dir.time, "sleep", lambda _: fcntl.flock(file, fcntl.LOCK_UN))
        with run.locked():
            assert run.is_locked()


def test_keeps_the_command(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.read_command() is None
    command = Command(("python", "-m", "training", "train"), "/home/me")
    run.write_command(command)
    assert run.read_command() == command
    run.command_file.write_bytes(b"\0\0\0")
    assert run.read_command() is None


def test_rewinding_drops_later_and_incomplete_lines(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for nimg in (8, 16, 24):
        run.append_stats({"nimg": nimg})
    with run.stats_file.open("a") as file:
        file.write('{"nimg": 3')
    run.rewind_stats(16)
    lines = run.stats_file.read_text().splitlines()
    assert [json.loads(line)["nimg"] for line in lines] == [8, 16]


@pytest.mark.parametrize(
    "end", [b"\0" * 300, b'{"nimg": 24}\n' + b"\0" * 40 + b"\n", b'{"ni\n', b"\xff\xfe\n", b"[]\n"]
)
def test_drops_remains_of_a_power_loss_in_statistics(tmp_path: Path, end: bytes) -> None:
    run = Run(tmp_path)
    run.append_stats({"nimg": 8})
    run.append_stats({"nimg": 16})
    with run.stats_file.open("ab") as file:
        file.write(end)
    assert [line["nimg"] for line in run.read_stats()][:2] == [8, 16]
    run.rewind_stats(16)
    run.append_stats({"nimg": 24})
    assert run.stats_file.read_text() == '{"nimg": 8}\n{"nimg": 16}\n{"nimg": 24}\n'


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_saves_grids_that_open(tmp_path: Path, channels: int) -> None:
    images = np.zeros((6, 4, 8, channels), np.uint8)
    path = Run(tmp_path).save_grid(12_345, images, columns=3)
    assert path.name == "000012345.png"
    with Image.open(path) as image:
        assert image.size == (24, 8)


def test_a_model_is_no_run_and_has_versions_to_name(tmp_path: Path) -> None:
    for version in ("9", "10", ".draft-11"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "manifest.json").touch()
    with pytest.raises(DataError, match=f"is a model; name a version, such as {tmp_path / '10'}$"):
        Run(tmp_path).read_config()


def test_a_folder_that_is_not_a_run_raises_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no run: it has no config\.json$"):
        Run(tmp_path / "none").read_config()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"is no run: config\.json is invalid"):
        Run(tmp_path).read_config()
    with pytest.raises(DataError, match="has no snapshot yet"):
        Run(tmp_path).latest_snapshot()
