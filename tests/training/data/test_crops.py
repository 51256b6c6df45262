import numpy as np
import pytest

from mirage.training.data.crops import Crops, on_matte, over
from mirage.training.data.degradation import reduce
from mirage.training.data.sources.pictures import Picture
from tests.training.drawings import drawing


def positions(crops: Crops, count: int = 200) -> list[tuple[np.ndarray, np.ndarray]]:
    return [crops.draw(np.random.default_rng(seed)) for seed in range(count)]


def found(small: np.ndarray, large: np.ndarray) -> bool:
    """Whether a picture is part of another, rotated or mirrored."""
    side = small.shape[0]
    turned = [np.rot90(flipped, k) for flipped in (small, small[:, ::-1]) for k in range(4)]
    windows = np.lib.stride_tricks.sliding_window_view(large, (side, side), (0, 1))
    return any((windows == one.transpose(2, 0, 1)).all((2, 3, 4)).any() for one in turned)


def test_a_pair_is_cut_from_the_picture_and_the_reduced_picture() -> None:
    picture = drawing(5, 64)
    starts = [(y, x) for y in range(2) for x in range(2)]
    whole = [reduce(picture[y : 64 - y, x : 64 - x], 2) for y, x in starts]
    for low, high in positions(Crops([Picture("a", picture)], 2, 8), 40):
        assert low.shape == (8, 8, 3)
        assert found(high, picture)
        assert any(found(low, each) for each in whole)


def test_the_same_seed_gives_the_same_crops() -> None:
    crops = Crops([Picture(str(k), drawing(k)) for k in range(3)], 2, 8)
    for one, other in zip(positions(crops, 9), positions(crops, 9), strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


def test_all_positions_are_equally_likely_so_large_pictures_are_drawn_more() -> None:
    dark, bright = np.zeros((16, 16, 3), np.uint8), drawing(0, 64)
    crops = Crops([Picture("dark", dark), Picture("bright", bright)], 2, 8)
    assert sum(int(high.max() > 0) for _, high in positions(crops)) > 180


def test_avoids_flat_crops() -> None:
    picture = np.full((200, 200, 3), 255, np.uint8)
    picture[:60, :60] = drawing(0, 60)
    flat = sum(
        int(np.ptp(high) == 0) for _, high in positions(Crops([Picture("a", picture)], 2, 8))
    )
    one = np.mean(
        [np.ptp(picture[y : y + 16, x : x + 16]) == 0 for y in range(184) for x in range(184)]
    )
    assert flat / 200 < one**2


def test_given_low_resolution_is_cut_at_the_same_position() -> None:
    high = drawing(6, 64)
    low = reduce(high, 2)
    for small, large in positions(Crops([Picture("a", high, low)], 2, 8), 40):
        assert found(small, low)
        assert found(large, high)


def test_transparent_pictures_are_drawn_over_several_colours() -> None:
    picture = np.zeros((8, 8, 4), np.uint8)
    seen = {tuple(on_matte(picture, np.random.default_rng(k))[0, 0]) for k in range(60)}
    assert {(255, 255, 255), (0, 0, 0)} < seen
    assert len(seen) > 5


def test_sometimes_returns_the_alpha_channel() -> None:
    picture = drawing(3, alpha=True)
    shown = [on_matte(picture, np.random.default_rng(k)) for k in range(40)]
    assert any(np.array_equal(each[..., 1], picture[..., 3]) for each in shown)


@pytest.mark.parametrize("opacity", [0, 1, 127, 254, 255])
def test_compositing_mixes_colours_by_alpha(opacity: int) -> None:
    pixels = np.array([[[200, 100, 0, opacity]]], np.uint8)
    mixed = over(pixels, np.array([0, 50, 255], np.uint8))[0, 0]
    share = opacity / 255
    wanted = np.round(np.array([200, 100, 0]) * share + np.array([0, 50, 255]) * (1 - share))
    assert np.abs(mixed - wanted).max() <= 1
