import os
from pathlib import Path

import numpy as np
import pytest

from mirage.training.dashboard import grids
from mirage.training.dashboard.grids import MAX_GRIDS, list_grids, read_grid
from mirage.training.runs.run_dir import Run

IMAGES = np.zeros((4, 8, 8, 1), np.uint8)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    for nimg in (0, 1000, 2_000_000_000):
        run.save_grid(nimg, IMAGES, 2)
    return run


def test_lists_the_grids_in_order_of_images_seen(run: Run) -> None:
    (run.samples / "12.tmp.png").touch()
    (run.samples / "notes.txt").touch()
    assert [grid.nimg for grid in list_grids(run)] == [0, 1000, 2_000_000_000]


def test_a_run_without_samples_has_no_grids(tmp_path: Path) -> None:
    assert list_grids(Run(tmp_path / "none")) == []


def test_the_url_changes_with_the_file(run: Run) -> None:
    before = list_grids(run)[1].url
    os.utime(run.grid_path(1000), ns=(1, 2))
    assert list_grids(run)[1].url != before


def test_thins_many_grids_and_keeps_the_first_and_the_last(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.samples.mkdir()
    for nimg in range(MAX_GRIDS + 50):
        run.grid_path(nimg).touch()
    found = [grid.nimg for grid in list_grids(run)]
    assert len(found) == MAX_GRIDS
    assert (found[0], found[-1]) == (0, MAX_GRIDS + 49)
    assert found == sorted(set(found))


def test_reads_a_grid(run: Run) -> None:
    assert read_grid(run, "000001000.png") == run.grid_path(1000).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        *("000003000.png", "../config.json", "..", "", "/etc/passwd", "000001000.txt"),
        *("000001000.png/", "000001000.png\0", "./000001000.png", "²", "9" * 400 + ".png"),
    ],
)
def test_other_names_are_no_grids(run: Run, name: str) -> None:
    (run.path / "config.json").touch()
    (run.samples / "000001000.txt").touch()
    assert read_grid(run, name) is None


def test_bounds_the_bytes_of_a_grid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "MAX_BYTES", 20)
    assert read_grid(run, "000001000.png") is None
