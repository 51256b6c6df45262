"""Whole pictures in other sizes and types than rows of a PNG."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # [H, W, C] with C = 1, 2 (grey and alpha), 3 or 4


def resize(pixels: Pixels, height: int, width: int, *, has_alpha: bool) -> Pixels:
    """Resize each channel: colours with Lanczos' filter, and alpha with Hamming's.

    The latter has no negative lobes, so that opaque and transparent areas have no rims. Colours of
    transparent pixels must be those of what is visible beside them.
    """
    channels = pixels.shape[2]
    resized = np.empty((height, width, channels), np.uint8)
    for number in range(channels):
        is_alpha = has_alpha and number == channels - 1
        kind = Image.Resampling.HAMMING if is_alpha else Image.Resampling.LANCZOS
        channel = Image.fromarray(np.ascontiguousarray(pixels[:, :, number]))
        resized[:, :, number] = np.asarray(channel.resize((width, height), kind))
    return resized


def encode_picture_webp(pixels: Pixels, icc: bytes | None) -> bytes:
    """Encode losslessly as WebP, with a colour profile; grey becomes RGB, which is all it has."""
    grey = {1: [0, 0, 0], 2: [0, 0, 0, 1]}.get(pixels.shape[2])
    colours = pixels if grey is None else pixels[:, :, grey]
    buffer = io.BytesIO()
    # Effort 0 is ten times quicker than default; `exact` keeps colours of transparent pixels.
    options = {"lossless": True, "exact": True, "quality": 0, "method": 0}
    Image.fromarray(np.ascontiguousarray(colours)).save(buffer, "WEBP", icc_profile=icc, **options)
    return buffer.getvalue()
