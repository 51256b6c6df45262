"""Packs the images of one request into the body of the type that was chosen."""

import base64
import hashlib
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest
from mirage.service import negotiation
from mirage.service.archive import Archive
from mirage.service.encoding import (
    WEBP_SIDE,
    Compression,
    Pixels,
    contact_sheet,
    encode_png,
    encode_webp,
)
from mirage.service.errors import NotAcceptable
from mirage.service.negotiation import Layout
from mirage.service.work import Work


class Made(NamedTuple):
    """What was asked for and came out: uint8 images `[n, H, W, C]`, and how PNGs hold them."""

    manifest: Manifest
    work: Work
    images: NDArray[np.uint8]
    compression: Compression = "fast"

    @property
    def model(self) -> str:
        """Name and version, as X-Model has them."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def png(self, pixels: Pixels) -> bytes:
        """An image of it, or a sheet of them, as PNG."""
        return encode_png(pixels, self.compression)

    def label(self, number: int) -> int | None:
        """The class index of an image; None for unconditional models."""
        return None if self.work.labels is None else int(self.work.labels[number])

    def member(self, number: int) -> int | None:
        """The version that made an image, when several made them; else None."""
        if not self.manifest.members or self.work.seed is None:
            return None
        return member_of(self.manifest, self.work.seed, self.work.index + number).version


class Packed(NamedTuple):
    """A body and its Content-Type."""

    body: bytes
    media_type: str


def pack(media: str, made: Made, layout: Layout) -> Packed:
    """Encode the images and pack them; raises NotAcceptable for a sheet that WebP cannot hold."""
    if media == negotiation.JSON:
        return Packed(_json(made, as_sheet=layout == "grid"), media)
    return PACKERS[media](made)


def _png(made: Made) -> Packed:
    return Packed(made.png(_single(made)), negotiation.PNG)


def _webp(made: Made) -> Packed:
    pixels = _single(made)
    if max(pixels.shape) > WEBP_SIDE:
        raise NotAcceptable(f"WebP holds at most {WEBP_SIDE} pixels a side; PNG holds more")
    return Packed(encode_webp(pixels), negotiation.WEBP)


def _single(made: Made) -> NDArray[np.uint8]:
    """The one image, or the sheet of several."""
    return made.images[0] if len(made.images) == 1 else contact_sheet(made.images)


def _zip(made: Made) -> Packed:
    archive = Archive()
    return Packed(archive.add(map(made.png, made.images)) + archive.end(), negotiation.ZIP)


def _multipart(made: Made) -> Packed:
    parts = [
        b"\r\n".join((*_part_headers(made, number), b"", made.png(pixels)))
        for number, pixels in enumerate(made.images)
    ]
    # Named by the contents: it cannot stand in them, and the same images are the same bytes.
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()[:32].encode()
    opened = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    media_type = f"{negotiation.MULTIPART}; boundary={boundary.decode()}"
    return Packed(opened + b"--" + boundary + b"--\r\n", media_type)


def _part_headers(made: Made, number: int) -> list[bytes]:
    index = made.work.index + number
    lines = ["Content-Type: image/png", f"Content-ID: <{index}>"]
    if made.work.seed is not None:
        lines.append(f"X-Seed: {made.work.seed}")
    lines.append(f"X-Index: {index}")
    if (label := made.label(number)) is not None:
        lines.append(f"X-Label: {label}")
    return [line.encode() for line in lines]


def _json(made: Made, *, as_sheet: bool) -> bytes:
    """The JSON answer; a sheet is one image, and of several classes none."""
    if as_sheet and len(made.images) > 1:
        images = [_json_image(made, 0, contact_sheet(made.images), label=None, member=None)]
    else:
        images = [
            _json_image(made, number, pixels, label=made.label(number), member=made.member(number))
            for number, pixels in enumerate(made.images)
        ]
    manifest = made.manifest
    return to_json({"model": manifest.name, "version": manifest.version, "images": images})


def _json_image(
    made: Made, number: int, pixels: NDArray[np.uint8], *, label: int | None, member: int | None
) -> dict[str, str | int | None]:
    image: dict[str, str | int | None] = {
        "seed": None if made.work.seed is None else str(made.work.seed),
        "index": made.work.index + number,
        "label": label,
        "class": None if label is None else made.manifest.labels[label],
    }
    if made.manifest.members:
        image["member"] = member
    return {**image, "png": base64.b64encode(made.png(pixels)).decode()}


def _npy(made: Made) -> Packed:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, made.images, version=(1, 0), allow_pickle=False)
    return Packed(buffer.getvalue(), negotiation.NPY)


PACKERS: dict[str, Callable[[Made], Packed]] = {
    negotiation.PNG: _png,
    negotiation.WEBP: _webp,
    negotiation.ZIP: _zip,
    negotiation.MULTIPART: _multipart,
    negotiation.NPY: _npy,
}
