import numpy as np

from mirage.service.media.alpha import bleed_colours


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


def test_opaque_and_fully_transparent_pictures_are_unchanged() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 1), dtype=np.uint8)
    for value in (0, 255):
        alpha = np.full((5, 4), value, np.uint8)
        np.testing.assert_array_equal(bleed_colours(colour, alpha), colour)
