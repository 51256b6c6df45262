import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.config import build_config
from mirage.training.errors import UsageError
from mirage.training.runs.loop import train
from mirage.training.runs.recorders import TensorBoardRecorder, make_film
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset


def grids(run: Run, count: int, channels: int = 1) -> None:
    for number in range(count):
        images = np.full((100, 8, 8, channels), 20 * number, np.uint8)
        run.save_grid(1000 * number, images, 10)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shows_the_grids_in_order(tmp_path: Path, channels: int) -> None:
    run = Run(tmp_path)
    grids(run, 4, channels)
    path = make_film(run)
    assert path == tmp_path / "film.webp"
    with Image.open(path) as film:
        assert (film.n_frames, film.size) == (4, (80, 80))
        shades = []
        for frame in range(4):
            film.seek(frame)
            shades.append(film.convert("L").getpixel((40, 40)))
    assert shades == pytest.approx([0, 20, 40, 60], abs=4)


def test_many_grids_are_sampled_evenly_with_first_and_last(tmp_path: Path) -> None:
    run = Run(tmp_path)
    grids(run, 12)
    with Image.open(make_film(run, frames=3)) as film:
        assert film.n_frames == 3
        film.seek(2)
        assert film.convert("L").getpixel((40, 40)) == pytest.approx(220, abs=4)


def test_one_grid_gives_no_animation(tmp_path: Path) -> None:
    run = Run(tmp_path)
    grids(run, 1)
    assert make_film(run) is None


def test_names_the_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"needs TensorBoard; run pip install"):
        TensorBoardRecorder(tmp_path, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_curves_and_grids_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = build_config("mnist", {**TINY, "kimg": 0.048})
    run = train(config, shapes_dataset(), tmp_path / "run", threads=1, tensorboard=True)
    events = EventAccumulator(str(run.board))
    events.Reload()
    assert [event.step for event in events.Scalars("d_loss")] == [16, 32, 48]
    assert {"margin", "spread", "lr"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Images("samples")] == [0, 32, 48]
    assert np.isfinite([event.value for event in events.Scalars("g_loss")]).all()
