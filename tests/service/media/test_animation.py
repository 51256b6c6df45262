"""Animations, decoded by Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

from mirage.service.errors import InvalidValue, NotAcceptable
from mirage.service.media.animation import FORMATS, check_animation, encode_animation
from mirage.service.media.encoding import APNG, GIF, WEBP

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def frames(channels: int) -> np.ndarray:
    """Return five frames in which every pixel changes, with or without transparency."""
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 12, channels), dtype=np.uint8)
    if channels == 4:
        images[..., 3] = np.where(images[..., 3] > 127, 255, 0)
    return images


def read(raw: bytes, channels: int) -> tuple[np.ndarray, list[float]]:
    """Decode the frames of an animation and their durations in milliseconds."""
    found, durations = [], []
    with Image.open(io.BytesIO(raw)) as picture:
        assert picture.info["loop"] == 0
        for number in range(picture.n_frames):  # type: ignore[attr-defined]
            picture.seek(number)
            found.append(np.asarray(picture.convert(MODES[channels])).reshape(8, 12, channels))
            durations.append(picture.info["duration"])
    return np.stack(found), durations


@pytest.mark.parametrize("media", [APNG, WEBP])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_visible_pixels_are_lossless(media: str, channels: int) -> None:
    found, durations = read(encode_animation(media, frames(channels), 85), channels)
    seen = frames(channels)[..., -1:] > 0 if channels == 4 else True
    np.testing.assert_array_equal(np.where(seen, found, 0), np.where(seen, frames(channels), 0))
    assert durations == [85] * 5


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_has_256_colours_and_durations_in_tens(channels: int) -> None:
    found, durations = read(encode_animation(GIF, frames(channels), 87), channels)
    np.testing.assert_array_equal(found, frames(channels))
    assert durations == [90] * 5


def test_a_gif_keeps_transparency() -> None:
    found, _ = read(encode_animation(GIF, frames(4), 80), 4)
    np.testing.assert_array_equal(found[..., 3], frames(4)[..., 3])


def test_equal_frames_that_last_longer_than_a_gif_can_say_are_refused() -> None:
    still = np.zeros((66, 8, 12, 1), np.uint8)
    _, durations = read(encode_animation(GIF, np.append(still[1:], [still[0] + 255], 0), 10_000), 1)
    assert durations == [650_000, 10_000]
    with pytest.raises(InvalidValue, match=r"duration_ms is 10000; .* longer than 655350 ms"):
        encode_animation(GIF, still, 10_000)


@pytest.mark.parametrize("media", FORMATS)
def test_the_same_frames_give_the_same_bytes(media: str) -> None:
    assert encode_animation(media, frames(3), 80) == encode_animation(media, frames(3), 80)


def test_only_webp_limits_the_side() -> None:
    check_animation(GIF, 20_000, 8)
    check_animation(WEBP, 16_383, 8)
    with pytest.raises(NotAcceptable, match="at most 16383 pixels per side"):
        check_animation(WEBP, 8, 16_384)
