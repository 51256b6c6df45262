"""Pictures in other sizes, and as WebP."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mirage.service.media.resizing import RowResizer, encode_picture_webp, resize
from tests.service.helpers.pictures import noise


def strips(image: NDArray[np.uint8], rows: int) -> list[NDArray[np.uint8]]:
    return [image[start : start + rows] for start in range(0, len(image), rows)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_each_channel_is_resized(channels: int) -> None:
    pixels = noise(40, 30, channels)
    found = resize(pixels, 20, 15, has_alpha=channels in (2, 4))
    assert (found.shape, found.dtype) == ((20, 15, channels), np.uint8)
    whole = Image.fromarray(pixels[:, :, 0]).resize((15, 20), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(found[:, :, 0], np.asarray(whole))


def test_alpha_has_no_rims() -> None:
    pixels = np.zeros((40, 40, 2), np.uint8)
    pixels[10:30, 10:30] = 255
    alpha = resize(pixels, 30, 30, has_alpha=True)[:, :, 1]
    assert (alpha[10:20, 10:20] == 255).all()
    assert (alpha[:6] == 0).all()


@pytest.mark.parametrize("size", [(200, 150), (133, 100), (199, 149), (50, 37), (7, 1)])
def test_strips_are_resized_like_the_whole_picture(size: tuple[int, int]) -> None:
    picture = noise(200, 150, 4)
    made = []
    for rows in (200, 64, 3):
        resizer = RowResizer((200, 150, 4), *size, has_alpha=True)
        parts = [strip for part in strips(picture, rows) for strip in resizer.add(part)]
        made.append(np.concatenate(parts))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])
    whole = resize(resize(picture, 200, size[1], has_alpha=True), *size, has_alpha=True)
    assert made[0].shape == whole.shape
    difference = np.abs(made[0].astype(int) - whole)
    assert difference.max() <= 1
    assert difference.mean() < 1e-3


def test_rows_are_made_before_the_last_strip() -> None:
    resizer = RowResizer((4000, 10, 3), 1000, 3, has_alpha=False)
    made = [
        sum(map(len, resizer.add(part))) for part in strips(np.zeros((4000, 10, 3), np.uint8), 500)
    ]
    assert sum(made) == 1000
    assert all(made)


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (2, "RGBA"), (3, "RGB"), (4, "RGBA")])
def test_webp_loses_nothing(channels: int, mode: str) -> None:
    pixels = noise(9, 7, channels)
    with Image.open(io.BytesIO(encode_picture_webp(pixels, b"a profile"))) as image:
        assert (image.mode, image.info["icc_profile"]) == (mode, b"a profile")
        found = np.asarray(image)
    wanted = pixels if channels > 2 else pixels[:, :, [0, 0, 0, 1][: len(mode)]]
    np.testing.assert_array_equal(found, wanted)
