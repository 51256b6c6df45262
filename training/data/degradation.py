"""Reduction of pictures, and random degradations of the low resolution."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

BLUR = (0.2, 1.2)
"""Range of the Gaussian's standard deviation in low-resolution pixels: lenses, poor resizing."""
NOISE = (1.0, 12.0)
"""Range of the noise's standard deviation, in grey levels: a phone's sensor by day and by night."""
QUALITY = (40, 95)
"""Range of JPEG quality; below 40 the block artefacts dominate the picture."""
BLOCK = 16
"""Side of the blocks of a JPEG with halved colours, in pixels."""
SUPPORT = 2
"""Radius of the bicubic filter, in low-resolution pixels."""

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def reduce(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Reduce uint8 [s * H, s * W, C] to [H, W, C] with Pillow's bicubic filter.

    Bicubic reduction is the convention of super-resolution benchmarks.
    """
    height, width = pixels.shape[0] // scale, pixels.shape[1] // scale
    return np.asarray(_image(pixels).resize((width, height), Image.Resampling.BICUBIC)).reshape(
        height, width, -1
    )


def enlarge(pixels: np.ndarray, scale: int, filter: Image.Resampling) -> np.ndarray:
    """Enlarge uint8 [H, W, C] to [s * H, s * W, C] with one of Pillow's filters."""
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    return np.asarray(_image(pixels).resize((width, height), filter)).reshape(height, width, -1)


def _blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    blurred = _image(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR)))
    return np.asarray(blurred).reshape(pixels.shape)


def _noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, rng.uniform(*NOISE), pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def _jpeg(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compress as a part of a larger picture, whose blocks may begin anywhere."""
    file = io.BytesIO()
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    top, left = map(int, rng.integers(0, BLOCK, 2))
    whole = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
    _image(whole).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(whole.shape)[top:, left:]


DEGRADATIONS: dict[str, Degradation] = {"blur": _blur, "noise": _noise, "jpeg": _jpeg}


def degrade(pixels: np.ndarray, names: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Apply the named degradations in order to a low-resolution picture uint8 [H, W, C]."""
    for name in names:
        pixels = DEGRADATIONS[name](pixels, rng)
    return pixels


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
