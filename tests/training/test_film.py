from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.film import make_film
from mirage.training.run import Run


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


def test_many_grids_are_shortened_to_the_first_the_last_and_some_between(tmp_path: Path) -> None:
    run = Run(tmp_path)
    grids(run, 12)
    with Image.open(make_film(run, frames=3)) as film:
        assert film.n_frames == 3
        film.seek(2)
        assert film.convert("L").getpixel((40, 40)) == pytest.approx(220, abs=4)


def test_one_grid_is_no_film(tmp_path: Path) -> None:
    run = Run(tmp_path)
    grids(run, 1)
    assert make_film(run) is None
