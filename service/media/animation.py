"""Encodes frames as a looping animation: GIF, APNG or lossless WebP."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage.service.errors import InvalidValue, NotAcceptable
from mirage.service.media.encoding import APNG, GIF, WEBP, WEBP_SIDE

# Pillow's name and options of each format. Every frame replaces the one before.
FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        GIF: ("GIF", {"disposal": 2, "optimize": False}),
        APNG: ("PNG", {"blend": 0, "compress_level": 1}),
        WEBP: ("WEBP", {"lossless": True, "quality": 0, "method": 0}),
    }
)
GIF_FRAME_MS = 655_350  # 16 bits of hundredths of a second


def check_animation(media: str, *sides: int) -> None:
    """Raise NotAcceptable if the format does not support the size of the frames."""
    if media == WEBP and max(sides) > WEBP_SIDE:
        raise NotAcceptable(f"WebP supports at most {WEBP_SIDE} pixels per side; use PNG for more")


def encode_animation(media: str, frames: NDArray[np.uint8], duration_ms: int) -> bytes:
    """Encode uint8 `[N, H, W, C]`, with `duration_ms` per frame, in a GIF rounded to tens.

    A GIF has at most 256 colours and no partial transparency. APNG is lossless, and so is WebP
    except for the colours of fully transparent pixels. Raises InvalidValue if equal frames in a
    row, which Pillow merges, last longer than a GIF can say.
    """
    from PIL import Image  # imported here: it takes memory, and few requests need it

    pixels = frames[..., 0] if frames.shape[3] == 1 else frames
    first, *rest = (Image.fromarray(frame) for frame in pixels)
    name, options = FORMATS[media]
    buffer = io.BytesIO()
    try:
        first.save(
            buffer,
            name,
            save_all=True,
            append_images=rest,
            duration=round(duration_ms, -1) if media == GIF else duration_ms,
            loop=0,
            **options,
        )
    except OverflowError:
        raise InvalidValue.of(
            "duration_ms",
            f"duration_ms is {duration_ms}; so many frames in a row are equal that they last longer"
            f" than {GIF_FRAME_MS} ms, the most that a GIF shows one; choose a shorter one or"
            " image/apng",
        ) from None
    return buffer.getvalue()
