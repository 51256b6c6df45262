import io

import numpy as np
import PIL.Image
import pytest

from mirage.client import GeneratedImage


def image_of(pixels: np.ndarray) -> GeneratedImage:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    return GeneratedImage(file.getvalue(), seed=7, index=0, label=None, model="toy", version=1)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_decodes_the_pixels(channels: int, mode: str) -> None:
    pixels = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)
    image = image_of(pixels.squeeze())
    assert image.pil().mode == mode
    assert image.pil().size == (3, 2)
    assert np.array_equal(image.array(), pixels)
    assert image.array().dtype == np.uint8


def test_repr_omits_the_file() -> None:
    image = image_of(np.zeros((2, 3), np.uint8))
    assert "seed=7" in repr(image)
    assert "PNG" not in repr(image)
