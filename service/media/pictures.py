"""Decodes the pictures that clients send: PNG, JPEG or WebP bytes to uint8 arrays.

Every byte is hostile. The kind is told by the first bytes, and the sizes in the header are checked
before anything is decoded.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mirage.service.errors import LimitExceeded, Malformed, UnsupportedBody

Plane = NDArray[np.uint8]

KINDS = "PNG, JPEG and WebP"
ICC_BYTES = 2**20  # largest colour profile that is kept
UPRIGHT = 1  # EXIF's orientation of a picture that is not rotated
HEAD_BYTES = 12  # that tell the kind
# What Pillow raises for broken files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    IndexError,
    KeyError,
)
# The mode that each of Pillow's modes is converted to. Others are rejected, but for 16-bit grey.
MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "P": "RGB",
    "PA": "RGBA",
}
DEEP_GREY = ("I;16", "I;16B", "I;16L", "I")


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    `colour` is uint8 `[H, W, 1]` (grey) or `[H, W, 3]` (RGB), `alpha` is uint8 `[H, W]` or None for
    an opaque picture, `icc` is its colour profile or None.
    """

    colour: Plane
    alpha: Plane | None = None
    icc: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.colour.shape[0], self.colour.shape[1]


def decode_picture(data: bytes, *, most_pixels: int, most_side: int = 16384) -> Picture:
    """Decode one PNG, JPEG or WebP file.

    EXIF's orientation is applied. Of the metadata, only the colour profile is kept.
    16-bit channels lose their lower byte; palettes become RGB.

    Raises Malformed for what is no picture or a broken one, UnsupportedBody for a kind that is not
    taken (CMYK and animations too), LimitExceeded for one of too many pixels.
    """
    opened = _open(data)
    try:
        _check_size(opened.size, most_pixels, most_side)
        if opened.mode not in (*MODES, *DEEP_GREY):
            raise UnsupportedBody(
                f"the picture's mode is {opened.mode}; grey, RGB and RGBA are allowed"
            )
        if getattr(opened, "is_animated", False):
            raise UnsupportedBody("the picture is an animation; single pictures are allowed")
        return _decode(opened)
    except BROKEN as error:
        raise Malformed(f"the picture cannot be decoded: {_reason(error)}") from None
    finally:
        opened.close()


def _open(data: bytes) -> ImageFile:
    """Open the file with the opener of its format, and read its header."""
    opener = _opener(data[:HEAD_BYTES])
    if opener is None:
        raise UnsupportedBody(f"the body is no picture of a known kind; {KINDS} are allowed")
    file: IO[bytes] = io.BytesIO(data)
    try:
        return opener(file)
    except BROKEN as error:
        raise Malformed(f"the header of the picture cannot be read: {_reason(error)}") from None


def _opener(head: bytes) -> type[ImageFile] | None:
    # `Image.open` would try many formats, and only warn of up to twice too many pixels.
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImageFile
    return None


def _check_size(size: tuple[int, int], most_pixels: int, most_side: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise Malformed(f"the picture has {width}x{height} pixels")
    if width * height > most_pixels or max(size) > most_side:
        raise LimitExceeded(
            f"the picture has {width}x{height} pixels, {width * height / 1e6:.1f} megapixels;"
            f" at most {most_pixels / 1e6:g} megapixels and sides of {most_side} are allowed"
        )


def _decode(opened: ImageFile) -> Picture:
    icc = opened.info.get("icc_profile")
    image: Image.Image = _upright(opened)
    if image.mode in DEEP_GREY:
        deep = np.asarray(image)
        return Picture((deep >> 8).clip(0, 255).astype(np.uint8)[:, :, None], None, _kept(icc))
    mode = MODES[image.mode]
    if "transparency" in image.info and not mode.endswith("A"):
        mode = "LA" if mode == "L" else "RGBA"
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    if mode == "L":
        return Picture(values[:, :, None], None, _kept(icc))
    if mode == "RGB":
        return Picture(values, None, _kept(icc))
    return Picture(values[:, :, :-1], np.ascontiguousarray(values[:, :, -1]), _kept(icc))


def _upright(opened: ImageFile) -> Image.Image:
    """Decode the picture and apply EXIF's orientation, if EXIF can be read."""
    opened.load()
    try:
        turned = opened.getexif().get(Base.Orientation, UPRIGHT) != UPRIGHT
        return ImageOps.exif_transpose(opened) if turned else opened
    except BROKEN:
        return opened


def _kept(icc: object) -> bytes | None:
    return icc if isinstance(icc, bytes) and 0 < len(icc) <= ICC_BYTES else None


def _reason(error: BaseException) -> str:
    return f"{error}"[:100] or type(error).__name__
