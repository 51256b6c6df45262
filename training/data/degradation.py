"""High resolution -> low resolution, as the world does it: pure functions of pixels and chance."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

BLUR = (0.2, 1.2)
"""Standard deviations of a Gaussian, in pixels of the low resolution: a lens or a poor resize."""
NOISE = (1.0, 12.0)
"""Standard deviations in grey levels: a phone by day and by night."""
QUALITY = (40, 95)
"""Of JPEG: below 40 blocks are the picture."""
SUPPORT = 2
"""Pixels of the low resolution beyond which bicubic reduction sees nothing."""

Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def reduce(pixels: np.ndarray, scale: int) -> np.ndarray:
    """uint8 [s * H, s * W, C] -> [H, W, C] by Pillow's bicubic filter, as the literature does."""
    height, width = pixels.shape[0] // scale, pixels.shape[1] // scale
    return np.asarray(_image(pixels).resize((width, height), Image.Resampling.BICUBIC)).reshape(
        height, width, -1
    )


def enlarge(pixels: np.ndarray, scale: int, filter: Image.Resampling) -> np.ndarray:
    """uint8 [H, W, C] -> [s * H, s * W, C] by one of Pillow's filters."""
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    return np.asarray(_image(pixels).resize((width, height), filter)).reshape(height, width, -1)


def _blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    blurred = _image(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR)))
    return np.asarray(blurred).reshape(pixels.shape)


def _noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, rng.uniform(*NOISE), pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def _jpeg(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    _image(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


DEGRADATIONS: dict[str, Spoil] = {"blur": _blur, "noise": _noise, "jpeg": _jpeg}


def degrade(pixels: np.ndarray, names: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """What is done to a low-resolution picture uint8 [H, W, C], in this order."""
    for name in names:
        pixels = DEGRADATIONS[name](pixels, rng)
    return pixels


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
