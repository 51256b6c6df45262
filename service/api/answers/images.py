"""Answers of images."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.answers.made import Made, Packed
from mirage.service.api.content.negotiation import FRAMES_TYPES, OF_IMAGES, Layout, Offer
from mirage.service.errors import NotAcceptable
from mirage.service.media.animation import encode_animation
from mirage.service.media.encoding import PNG, WEBP, WEBP_SIDE, contact_sheet, encode_webp


class Images:
    """PNG and WebP, contact sheets, and animations."""

    listed, quick = "images", PNG

    @property
    def packers(self) -> Mapping[str, Callable[[Made], Packed]]:
        """One image, or a contact sheet of several."""
        return {PNG: _png, WEBP: _webp}

    def offer(self, manifest: Manifest) -> Offer:
        """The same for all models."""
        return OF_IMAGES

    def items(self, made: Made, layout: Layout) -> list[dict[str, Any]]:
        """The images as PNG. A contact sheet is one image without a class."""
        if layout == "grid" and len(made.rows) > 1:
            sheet = made.base64(contact_sheet(made.rows))
            return [{**made.origin(0, label=None, member=None), "png": sheet}]
        return [
            {**made.described(number), "png": made.base64(pixels)}
            for number, pixels in enumerate(made.rows)
        ]

    def walk_types(self, manifest: Manifest) -> tuple[str, ...]:
        """A ZIP, or an animation."""
        return FRAMES_TYPES

    def walk(self, media: str, rows: NDArray[Any], manifest: Manifest, duration_ms: int) -> bytes:
        """An animation."""
        return encode_animation(media, rows, duration_ms)


def _png(made: Made) -> Packed:
    return Packed(made.file(_single(made)), PNG)


def _webp(made: Made) -> Packed:
    pixels = _single(made)
    if max(pixels.shape) > WEBP_SIDE:
        raise NotAcceptable(f"WebP supports at most {WEBP_SIDE} pixels per side; use PNG for more")
    return Packed(encode_webp(pixels), WEBP)


def _single(made: Made) -> NDArray[np.uint8]:
    """Return the image, or the contact sheet of several."""
    return made.rows[0] if len(made.rows) == 1 else contact_sheet(made.rows)
