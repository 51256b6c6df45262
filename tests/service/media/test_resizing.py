"""Pictures in other sizes, and as WebP."""

import io

import numpy as np
import pytest
from PIL import Image

from mirage.service.media.resizing import encode_picture_webp, resize
from tests.service.helpers.pictures import noise


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


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (2, "RGBA"), (3, "RGB"), (4, "RGBA")])
def test_webp_loses_nothing(channels: int, mode: str) -> None:
    pixels = noise(9, 7, channels)
    with Image.open(io.BytesIO(encode_picture_webp(pixels, b"a profile"))) as image:
        assert (image.mode, image.info["icc_profile"]) == (mode, b"a profile")
        found = np.asarray(image)
    wanted = pixels if channels > 2 else pixels[:, :, [0, 0, 0, 1][: len(mode)]]
    np.testing.assert_array_equal(found, wanted)
