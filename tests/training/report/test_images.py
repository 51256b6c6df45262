import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.report import images
from mirage.training.report.images import film, still, still_of


def decoded(html: str, kind: str) -> Image.Image:
    (data,) = re.findall(rf'<img src="data:image/{kind};base64,([^"]*)"', html)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def frames(folder: Path, count: int, side: int = 40) -> list[Path]:
    paths = [folder / f"{number:09d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(noise).save(path)
    return paths


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_still_keeps_every_pixel(channels: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, channels), np.uint8)
    html = still(pixels, 'a "still"')
    np.testing.assert_array_equal(np.atleast_3d(np.asarray(decoded(html, "png"))), pixels)
    assert 'width="9" height="6"' in html
    assert "&quot;still&quot;" in html
    decoded(html, "png").save(tmp_path / "still.png")
    assert still_of(tmp_path / "still.png", 'a "still"') == html


def test_an_animation_starts_with_the_first_and_ends_with_the_last_frame(tmp_path: Path) -> None:
    html = film(frames(tmp_path, 5), "film")
    animation = decoded(html, "webp")
    assert animation.n_frames == 5  # type: ignore[attr-defined]
    assert "prefers-reduced-motion" in html


def test_an_animation_is_bounded_in_frames_sides_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_FRAMES", 8)
    monkeypatch.setattr(images, "FILM_SIDE", 32)
    animation = decoded(film(frames(tmp_path, 12), "film"), "webp")
    assert animation.size == (32, 32)
    assert animation.n_frames == 8  # type: ignore[attr-defined]
    monkeypatch.setattr(images, "FILM_BYTES", 2_000)
    shorter = decoded(film(frames(tmp_path, 12), "film"), "webp")
    assert shorter.n_frames < 8  # type: ignore[attr-defined]


def test_no_frames_give_no_animation() -> None:
    assert film([], "film") == ""


def test_uses_a_recorded_animation(tmp_path: Path) -> None:
    made = tmp_path / "film.webp"
    first, second = (Image.open(path) for path in frames(tmp_path, 2, side=24))
    first.save(made, save_all=True, append_images=[second], lossless=True)
    pictures = frames(tmp_path, 5)
    assert decoded(film(pictures, "film", made), "webp").size == (24, 24)
    made.write_bytes(b"half a film")
    assert decoded(film(pictures, "film", made), "webp").size == (40, 40)


def test_replaces_a_recorded_animation_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "film.webp"
    first, *others = (Image.open(path) for path in frames(tmp_path, 3, side=24))
    first.save(made, save_all=True, append_images=others, lossless=True)
    monkeypatch.setattr(images, "FILM_BYTES", made.stat().st_size - 1)
    shorter = decoded(film(frames(tmp_path, 5), "film", made), "webp")
    assert shorter.size == (40, 40)
