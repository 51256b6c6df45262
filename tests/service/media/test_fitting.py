import tracemalloc
from typing import Literal

import numpy as np
import pytest
from PIL import Image as Pillow

from mirage.bundle.format.interface import Image
from mirage.service.media.fitting import fit_picture
from mirage.service.media.pictures import Picture


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_fits_stays_as_it_is(channels: int) -> None:
    colour = noise(6, 9, channels)
    image = Image(height=6, width=9, channels=1 if channels == 1 else 3)
    np.testing.assert_array_equal(fit_picture(Picture(colour), image), colour)


def test_an_rgba_picture_keeps_its_visible_colours_and_its_alpha() -> None:
    colour, alpha = noise(6, 9, 3), noise(6, 9)
    fitted = fit_picture(Picture(colour, alpha), Image(height=6, width=9, channels=4))
    np.testing.assert_array_equal(fitted[:, :, 3], alpha)
    np.testing.assert_array_equal(fitted[alpha > 0, :3], colour[alpha > 0])


def test_a_picture_without_alpha_is_opaque() -> None:
    fitted = fit_picture(Picture(noise(6, 9, 1)), Image(height=6, width=9, channels=4))
    np.testing.assert_array_equal(fitted[:, :, 3], 255)
    np.testing.assert_array_equal(fitted[:, :, 0], fitted[:, :, 2])


def test_transparent_pixels_are_white_for_models_without_alpha() -> None:
    colour, alpha = np.zeros((1, 3, 3), np.uint8), np.array([[0, 128, 255]], np.uint8)
    fitted = fit_picture(Picture(colour, alpha), Image(height=1, width=3, channels=1))
    np.testing.assert_array_equal(fitted[0, :, 0], [255, 127, 0])


def test_grey_is_pillows() -> None:
    colour = noise(16, 16, 3)
    fitted = fit_picture(Picture(colour), Image(height=16, width=16, channels=1))
    grey = np.asarray(Pillow.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(fitted[:, :, 0], grey)


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (64, 64), (1, 500), (500, 1), (3, 2)])
def test_other_sizes_are_cropped_to_the_middle_and_resized(shape: tuple[int, int]) -> None:
    fitted = fit_picture(Picture(noise(*shape, 1)), Image(height=8, width=12, channels=1))
    assert fitted.shape == (8, 12, 1)


def test_the_middle_is_what_remains() -> None:
    colour = np.zeros((10, 30, 1), np.uint8)
    colour[:, 10:20] = 255
    fitted = fit_picture(Picture(colour), Image(height=10, width=10, channels=1))
    np.testing.assert_array_equal(fitted, 255)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pictures_are_converted_completely(channels: Literal[1, 3]) -> None:
    colour, alpha = noise(701, 901, 3), noise(701, 901)
    fitted = fit_picture(Picture(colour, alpha), Image(height=701, width=901, channels=channels))
    opacity = alpha[:, :, None].astype(int)
    shown = ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    expected = np.asarray(Pillow.fromarray(shown).convert("L" if channels == 1 else "RGB"))
    np.testing.assert_array_equal(fitted, expected.reshape(701, 901, channels))


def test_transparent_pixels_take_colours_from_beyond_the_middle() -> None:
    colour, alpha = np.zeros((4, 12, 3), np.uint8), np.zeros((4, 12), np.uint8)
    colour[:, 0], alpha[:, 0] = 200, 255
    fitted = fit_picture(Picture(colour, alpha), Image(height=4, width=4, channels=4))
    assert (fitted == [200, 200, 200, 0]).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_large_pictures_take_little_memory(channels: Literal[1, 3, 4]) -> None:
    picture = Picture(np.zeros((2000, 2000, 3), np.uint8), np.ones((2000, 2000), np.uint8))
    tracemalloc.start()
    fit_picture(picture, Image(height=8, width=8, channels=channels))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 9 * 2000 * 2000
