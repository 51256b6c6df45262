import numpy as np
import pytest
from PIL import Image

from mirage.training.data.degradation import DEGRADATIONS, degrade, enlarge, reduce
from tests.training.drawings import drawing


def test_reduces_like_pillow() -> None:
    pixels = drawing(0, 48)
    wanted = Image.fromarray(pixels).resize((12, 12), Image.Resampling.BICUBIC)
    assert np.array_equal(reduce(pixels, 4), np.asarray(wanted))


def test_grey_pictures_keep_one_channel() -> None:
    grey = drawing(0, 48)[..., :1]
    assert reduce(grey, 4).shape == (12, 12, 1)
    assert enlarge(grey, 2, Image.Resampling.BICUBIC).shape == (96, 96, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(DEGRADATIONS))
def test_a_degradation_changes_pixels_and_follows_the_seed(name: str, channels: int) -> None:
    pixels = drawing(1)[..., :channels]
    one, same = (degrade(pixels, [name], np.random.default_rng(4)) for _ in range(2))
    other = degrade(pixels, [name], np.random.default_rng(5))
    assert one.shape == pixels.shape
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, pixels)
    assert not np.array_equal(one, other)
    assert np.abs(one.astype(int) - pixels).mean() < 25


def test_jpeg_blocks_begin_anywhere_in_a_crop() -> None:
    """Rows of a smooth slope jump where blocks meet, which differs from seed to seed."""
    slope = np.repeat(np.linspace(0, 60, 64).astype(np.uint8)[:, None, None], 64, axis=1)
    jumps = set()
    for seed in range(20):
        made = degrade(slope, ["jpeg"], np.random.default_rng(seed))[:, :, 0].astype(int)
        assert made.shape == (64, 64)
        jumps.add(int(np.abs(np.diff(made, 2, axis=0)).sum(1).argmax()) % 8)
    assert len(jumps) > 4


def test_no_degradation_returns_the_picture_unchanged() -> None:
    assert np.array_equal(degrade(drawing(1), [], np.random.default_rng(0)), drawing(1))
