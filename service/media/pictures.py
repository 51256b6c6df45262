"""Decodes the pictures that clients send: PNG, JPEG or WebP bytes to uint8 arrays.

The files may be malicious. The first bytes determine the format, and the size in the header is
checked before anything is decoded.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mirage.service.errors import LimitExceeded, Malformed, UnsupportedBody
from mirage.service.media.segments import (
    MAX_EXIF_SEGMENTS,
    MAX_SEGMENTS,
    has_many_chunks,
    has_many_exif_segments,
    has_many_segments,
)
from mirage.service.media.webp_header import read_webp_size

Plane = NDArray[np.uint8]

KINDS = "PNG, JPEG and WebP"
# First bytes of other formats, to name them in errors.
OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"\0\0\1\0", "an ICO"),
    (b"8BPS", "a PSD"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cjP", "a JPEG 2000"),
    (b"<svg", "an SVG"),
    (b"<?xml", "XML, perhaps an SVG"),
    (b"<!DOCTYPE", "a page, or an SVG"),
    (b"PK\3\4", "a ZIP"),
)
BOXED = {b"avif": "an AVIF", b"avis": "an AVIF"}  # others of this container: HEIC
# Scans of a JPEG. Each is a pass over the whole picture, so thousands of them would take minutes;
# cameras and editors write 12 at most, and thumbnails within the file have some of their own.
MAX_SCANS = 64
SCAN = b"\xff\xda"
ICC_BYTES = 2**20  # of a colour profile that is kept; larger ones are dropped
MAX_SIDE = 16384  # pixels
UPRIGHT = 1  # of EXIF's orientations
# Those whose rows and columns are swapped, and then those whose rows or columns run backwards.
TRANSPOSED, UPSIDE_DOWN, MIRRORED = {5, 6, 7, 8}, {3, 4, 7, 8}, {2, 3, 6, 7}
BAND_PIXELS = 2**18  # converted at once
HEAD_BYTES = 64  # enough to determine the format
# What Pillow raises of broken files, besides OSError.
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
STEPS = {"L;2": 85, "L;4": 17}  # of grey of few bits when it is scaled to 8, by Pillow's raw mode


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


def decode_picture(data: bytes, *, most_pixels: int, most_side: int = MAX_SIDE) -> Picture:
    """Decode one PNG, JPEG or WebP file.

    EXIF's orientation is applied. Of the metadata, only the colour profile is kept.
    16-bit channels lose their lower byte; palettes become RGB.

    Raises Malformed for what is no picture or a broken one, UnsupportedBody for a kind that is not
    taken (CMYK and animations too), LimitExceeded for one of too many pixels.
    """
    file = io.BytesIO(data)
    del data  # freed as soon as it is decoded, unless the caller keeps it
    with _opened(file, most_pixels, most_side) as opened:
        opened.load()
        file.close()
        return _copied(opened)


def read_size(data: bytes, *, most_pixels: int, most_side: int = MAX_SIDE) -> tuple[int, int]:
    """Read width and height in pixels from the header. Raises the errors of `decode_picture`.

    EXIF's orientation is not applied.
    """
    with _opened(io.BytesIO(data), most_pixels, most_side) as opened:
        width, height = opened.size
        return width, height


@contextmanager
def _opened(file: io.BytesIO, most_pixels: int, most_side: int) -> Iterator[ImageFile]:
    """Open a file of a supported format and size. Errors in the block become Malformed."""
    opener = _opener(file.getvalue())
    if opener is WebPImageFile:
        _check_size(read_webp_size(file.getvalue()) or (0, 0), most_pixels, most_side)
    opened = _open(file, opener)
    try:
        _check_size(opened.size, most_pixels, most_side)
        if opened.mode not in (*MODES, *DEEP_GREY):
            raise UnsupportedBody(
                f"the picture's mode is {opened.mode}; grey, RGB and RGBA are allowed, so convert"
                " it to RGB first"
            )
        if getattr(opened, "is_animated", False):
            raise UnsupportedBody(
                "the picture is an animation; single pictures are allowed, so send its frames one"
                " by one"
            )
        _scale_transparency(opened)
        yield opened
    except BROKEN as error:
        raise Malformed(f"the picture cannot be decoded: {_reason(error)}") from None
    finally:
        opened.close()


def _open(file: io.BytesIO, opener: type[ImageFile]) -> ImageFile:
    """Open the file with the opener of its format, and read its header."""
    data = file.getvalue()
    if opener is JpegImageFile and (scans := data.count(SCAN)) > MAX_SCANS:
        raise UnsupportedBody(
            f"the JPEG has {scans} scans; at most {MAX_SCANS} are allowed, so save it anew"
        )
    if (opener is PngImageFile and has_many_chunks(data)) or (
        opener is JpegImageFile and has_many_segments(data)
    ):
        raise UnsupportedBody(
            f"the picture's file has more than {MAX_SEGMENTS} parts; save it anew, without metadata"
        )
    if opener is JpegImageFile and has_many_exif_segments(data):
        raise UnsupportedBody(
            f"the JPEG has more than {MAX_EXIF_SEGMENTS} segments of EXIF; save it anew, without"
            " metadata"
        )
    try:
        return opener(file)
    except BROKEN as error:
        raise Malformed(f"the header of the picture cannot be read: {_reason(error)}") from None


def _opener(data: bytes) -> type[ImageFile]:
    """Return the opener of a file by its first bytes. Raises Malformed and UnsupportedBody."""
    # Not `Image.open`, which tries many formats, and only warns of twice too many pixels.
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    _refuse(data[:HEAD_BYTES])


def _refuse(head: bytes) -> NoReturn:
    """Raise UnsupportedBody for another kind of picture, Malformed for no picture at all."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = next((name for mark, name in OTHERS if start.lower().startswith(mark.lower())), None)
    if head[4:8] == b"ftyp":
        kind = BOXED.get(head[8:12], "a HEIC or a film")
    if kind is None:
        what = "is no picture" if head else "is empty"
        raise Malformed(f"the body {what}; a file of {KINDS} is allowed")
    raise UnsupportedBody(f"the picture is {kind}; {KINDS} are allowed, so convert it first")


def _check_size(size: tuple[int, int], most_pixels: int, most_side: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise Malformed(f"the picture has {width}x{height} pixels")
    if width * height > most_pixels or max(size) > most_side:
        raise LimitExceeded.of(
            "picture",
            f"the picture has {width}x{height} pixels, {width * height / 1e6:.1f} megapixels;"
            f" at most {most_pixels / 1e6:g} megapixels and sides of {most_side} are allowed",
        )


def _scale_transparency(opened: ImageFile) -> None:
    """Scale the grey that is transparent like the samples, which Pillow scales alone."""
    grey = opened.info.get("transparency")
    step = STEPS.get(str(opened.tile[0].args)) if opened.tile else None
    if step is not None and isinstance(grey, int):
        opened.info["transparency"] = step * grey % 256


def _copied(opened: ImageFile) -> Picture:
    """Copy the pixels to arrays, a band of rows at a time: whole copies would double the memory."""
    icc = opened.info.get("icc_profile")
    bands = _bands(opened)
    first = next(bands)
    shape = (opened.height, opened.width, first.shape[2])
    colours = shape[2] - (shape[2] % 2 == 0)  # grey or RGB, and alpha
    colour = np.empty((*shape[:2], colours), np.uint8)
    alpha = np.empty(shape[:2], np.uint8) if colours < shape[2] else None
    start = 0
    for band in itertools.chain((first,), bands):
        rows = slice(start, start := start + len(band))
        colour[rows] = band[:, :, :colours]
        if alpha is not None:
            alpha[rows] = band[:, :, -1]
    orientation = _orientation(opened)
    return Picture(
        _upright(colour, orientation),
        None if alpha is None else _upright(alpha, orientation),
        _kept(icc),
    )


def _bands(image: Image.Image) -> Iterator[Plane]:
    """Yield bands of rows as uint8 `[h, W, C]`: grey or RGB, and alpha if the picture has it."""
    mode = MODES.get(image.mode)
    if mode is not None and "transparency" in image.info and not mode.endswith("A"):
        mode = "LA" if mode == "L" else "RGBA"
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if mode is None:  # 16 bits
            deep = np.asarray(band)
            values = (deep >> 8).clip(0, 255).astype(np.uint8)
            if (grey := image.info.get("transparency")) is not None:
                values = np.dstack((values, np.where(deep == grey, 0, 255).astype(np.uint8)))
        else:
            values = np.asarray(band if band.mode == mode else band.convert(mode))
        yield values.reshape(*values.shape[:2], -1)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, if EXIF can be read."""
    try:
        return int(image.getexif().get(Base.Orientation, UPRIGHT))
    # Pillow warns of broken tags, an error in tests; infinity overflows.
    except (*BROKEN, TypeError, OverflowError, UserWarning):
        return UPRIGHT


def _upright(plane: Plane, orientation: int) -> Plane:
    """Return a view of a plane `[H, W, …]` that applies EXIF's orientation, 1 … 8."""
    if orientation in TRANSPOSED:
        plane = plane.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in UPSIDE_DOWN else 1)
    columns = slice(None, None, -1 if orientation in MIRRORED else 1)
    return plane[rows, columns]


def _kept(icc: object) -> bytes | None:
    return icc if isinstance(icc, bytes) and 0 < len(icc) <= ICC_BYTES else None


def _reason(error: BaseException) -> str:
    return f"{error}"[:100] or type(error).__name__
