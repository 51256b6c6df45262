import numpy as np
import pytest

from mirage.service.media.alpha import bleed_colours, keep_plateaus


def test_transparent_pixels_take_the_colours_around_them() -> None:
    colour = np.full((9, 17, 3), 255, np.uint8)
    alpha = np.zeros((9, 17), np.uint8)
    colour[4, :2], alpha[4, :2] = (200, 10, 30), 255
    colour[4, -1], alpha[4, -1] = (0, 100, 0), 1
    bled = bleed_colours(colour, alpha)
    np.testing.assert_array_equal(bled[alpha > 0], colour[alpha > 0])
    assert bled[0, 0].tolist() == [200, 10, 30]
    assert bled[8, 16].tolist() == [0, 100, 0]
    assert not (bled == 255).all(axis=2).any()


@pytest.mark.parametrize("size", [(300, 5), (64, 200), (129, 130)])
def test_colours_reach_far(size: tuple[int, int]) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    alpha = np.zeros(size, np.uint8)
    alpha[-1, 2] = 9
    expected = np.broadcast_to(colour[-1, 2], colour.shape)
    np.testing.assert_array_equal(bleed_colours(colour, alpha), expected)


def test_the_result_may_replace_the_picture() -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (150, 90, 3), dtype=np.uint8)
    alpha = (rng.random((150, 90)) < 0.1).astype(np.uint8)
    bled = bleed_colours(colour, alpha)
    assert (bled != colour).any()
    assert bleed_colours(colour, alpha, out=colour) is colour
    np.testing.assert_array_equal(colour, bled)


def test_opaque_and_fully_transparent_pictures_are_unchanged() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 1), dtype=np.uint8)
    for value in (0, 255):
        alpha = np.full((5, 4), value, np.uint8)
        np.testing.assert_array_equal(bleed_colours(colour, alpha), colour)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_flat_areas_stay_exact_in_whatever_strips(scale: int) -> None:
    alpha = np.full((9, 7), 128, np.uint8)
    alpha[:4], alpha[6:, 3:] = 0, 255
    found = []
    for start, stop in ((0, 9), (0, 4), (4, 5), (5, 9)):
        enlarged = np.full((scale * (stop - start), scale * 7), 77, np.uint8)
        keep_plateaus(enlarged, alpha, start, stop, scale)
        found.append(enlarged)
    np.testing.assert_array_equal(found[0], np.concatenate(found[1:]))
    whole = found[0][::scale, ::scale]
    assert (whole[:3] == 0).all()  # the fourth row is beside others
    assert (whole[3:7] == 77).all()
    assert (whole[7:, 4:] == 255).all()
    assert (whole[7:, :4] == 77).all()
