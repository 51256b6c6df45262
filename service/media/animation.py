"""Turns frames into an animation that repeats: GIF, APNG or lossless WebP."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage.service.errors import NotAcceptable
from mirage.service.media.encoding import APNG, GIF, WEBP, WEBP_SIDE

# Pillow's name of each format, and what it is told; every frame replaces the one before.
FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        GIF: ("GIF", {"disposal": 2, "optimize": False}),
        APNG: ("PNG", {"blend": 0, "compress_level": 1}),
        WEBP: ("WEBP", {"lossless": True, "quality": 0, "method": 0}),
    }
)


def check_animation(media: str, height: int, width: int) -> None:
    """Raise NotAcceptable for frames, in pixels, that the type cannot hold."""
    if media == WEBP and max(height, width) > WEBP_SIDE:
        raise NotAcceptable(f"WebP holds at most {WEBP_SIDE} pixels a side; PNG holds more")


def encode_animation(media: str, frames: NDArray[np.uint8], duration_ms: int) -> bytes:
    """Encode uint8 `[N, H, W, C]`, each frame shown for `duration_ms`; a GIF knows only tens.

    A GIF has at most 256 colours and no half-transparent pixels. The others lose nothing, but WebP
    the colours of pixels that nobody sees.
    """
    from PIL import Image  # few requests need it, and it is memory

    pixels = frames[..., 0] if frames.shape[3] == 1 else frames
    first, *rest = (Image.fromarray(frame) for frame in pixels)
    name, options = FORMATS[media]
    buffer = io.BytesIO()
    first.save(
        buffer,
        name,
        save_all=True,
        append_images=rest,
        duration=round(duration_ms, -1) if media == GIF else duration_ms,
        loop=0,
        **options,
    )
    return buffer.getvalue()
