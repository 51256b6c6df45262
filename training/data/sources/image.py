"""Converts one picture file to one image uint8 [H, W, C]."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageColor, ImageOps

from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Accepted formats. Data are untrusted, and others of Pillow run programs or read more files."""
SUFFIXES = tuple(
    (
        ".png .apng .jpg .jpeg .jpe .jfif .jif .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pbm .pnm"
    ).split()
)
MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
CHANNELS_OF_MODE = {mode: channels for channels, mode in MODE_OF_CHANNELS.items()}
GREY_MODES = {"1", "L", "LA", "La", "I;16"}
MAX_FILE_BYTES = 256 << 20
MAX_PIXELS = (1 << 30) // 4 // 3
"""89 megapixels, 358 MB as RGBA per thread: the size above which Pillow warns of bombs."""
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
MAX_TEXT_BYTES = 1024
"""Compressed texts can grow a thousandfold, and Pillow's limit is a megabyte."""
DRAFT = 2
"""JPEGs are decoded at 1/2, 1/4 or 1/8 of their size if that is at least this many times `size`."""


@dataclass(frozen=True)
class Form:
    """The shape of every image of a data set: width and height in pixels, and channels."""

    width: int
    height: int
    channels: int

    def __str__(self) -> str:
        colour = {1: "grey", 3: "RGB", 4: "RGBA"}[self.channels]
        return f"{self.width}x{self.height} {colour}"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels


def open_picture(content: bytes) -> Image.Image:
    """Open a picture without decoding its pixels.

    Raises ValueError for more than `MAX_PIXELS`, and Pillow's errors for damaged content.
    """
    content = without_large_texts(content)
    picture = Image.open(io.BytesIO(content), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(
            f"is {picture.width}x{picture.height}; at most {MAX_PIXELS:,} pixels are decoded"
        )
    return picture


def without_large_texts(content: bytes) -> bytes:
    """A PNG file without large texts and colour profiles, for which Pillow rejects the picture.

    Other content is returned as it is, and so is the rest of a PNG from a damaged chunk on.
    """
    if not content.startswith(PNG_START):
        return content
    kept, start, position = [], 0, len(PNG_START)
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4])
        end = position + 12 + size  # length, type, data, checksum
        if content[position + 4 : position + 8] in PNG_TEXTS and size > MAX_TEXT_BYTES:
            kept.append(content[start:position])
            start = end
        position = end
    return b"".join([*kept, content[start:]]) if kept else content


def read_file(path: Path, limit: int | None = None) -> bytes:
    """Read a regular file, or its first `limit` bytes; raises OSError or ValueError."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a regular file")  # reading a named pipe would block
    with path.open("rb") as file:
        return read_bounded(file, limit)


def read_bounded(file: IO[bytes], limit: int | None = None) -> bytes:
    """Read the rest of a file, or its next `limit` bytes.

    Raises ValueError for more than `MAX_FILE_BYTES`.
    """
    content = file.read(MAX_FILE_BYTES + 1 if limit is None else limit)
    check_bytes(len(content))
    return content


def check_bytes(size: int) -> None:
    """Raise ValueError for more than `MAX_FILE_BYTES`."""
    if size > MAX_FILE_BYTES:
        raise ValueError(f"has more than {MAX_FILE_BYTES >> 20} MiB")


def normalise(picture: Image.Image, options: DataOptions) -> Image.Image:
    """Convert the first frame to 8-bit L, RGB or RGBA, rotated as its EXIF data say.

    RGBA is kept only if the options keep transparency and a pixel is not opaque. Raises ValueError
    for floating-point pixels, and Pillow's errors for broken pictures.
    """
    if options.size:
        side = DRAFT * max(options.size)
        picture.draft(None, (side, side))  # affects only JPEG
    ImageOps.exif_transpose(picture, in_place=True)
    grey = picture.mode in GREY_MODES
    picture = _eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("L" if grey or picture.mode == "L" else "RGB")
    picture = picture.convert("RGBA")
    if picture.getchannel("A").getextrema() == (255, 255):
        return picture.convert("L" if grey else "RGB")
    return picture if options.keeps_alpha else _composite(picture, options, grey)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 16 bits to 8 with rounding; Pillow's own conversion clips at 255."""
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if not picture.mode.startswith("I"):
        return picture
    levels = np.asarray(picture).astype(np.int64)
    if levels.size and not 0 <= levels.min() <= levels.max() <= 0xFFFF:
        raise ValueError(f"its grey levels are {levels.min()} to {levels.max()}, not 0 to 65535")
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def _composite(picture: Image.Image, options: DataOptions, grey: bool) -> Image.Image:
    below = Image.new("RGBA", picture.size, (*options.colour, 255))
    grey = grey and len(set(options.colour)) == 1
    return Image.alpha_composite(below, picture).convert("L" if grey else "RGB")


def to_pixels(picture: Image.Image, form: Form, options: DataOptions) -> np.ndarray:
    """Convert a normalised picture to uint8 [H, W, C] of the given shape.

    Raises ValueError if it is smaller than `size`, and DataError if its size or channels differ
    from the other pictures and no option says how to convert it.
    """
    picture = _with_channels(picture, form, options)
    if options.size:
        picture = _resized(picture, options.size, options)
    elif picture.size != (form.width, form.height):
        raise DataError(
            f"is {picture.width}x{picture.height}, but the images before it are "
            f"{form.width}x{form.height}; give all images one size with --size"
        )
    pixels = np.array(picture).reshape(form.shape)
    if form.channels == 4:
        pixels[pixels[..., 3] == 0] = 0  # networks must not learn invisible colours
    return pixels


def _with_channels(picture: Image.Image, form: Form, options: DataOptions) -> Image.Image:
    mode = MODE_OF_CHANNELS[form.channels]
    if options.channels is None and CHANNELS_OF_MODE[picture.mode] > form.channels:
        more = "transparency" if picture.mode == "RGBA" else "colour"
        without = "--alpha composite" if picture.mode == "RGBA" else "--channels 1"
        raise DataError(
            f"has {more}, but the sampled images have none; pass --channels "
            f"{CHANNELS_OF_MODE[picture.mode]} to keep it or {without} to remove it"
        )
    return picture if picture.mode == mode else picture.convert(mode)


def _resized(picture: Image.Image, size: tuple[int, int], options: DataOptions) -> Image.Image:
    """Resize with Lanczos, which averages when it reduces and weights RGBA by its alpha."""
    if picture.size == size:
        return picture
    if options.crop == "pad":
        return _padded(picture, size, options)
    if not options.upscale and (picture.width < size[0] or picture.height < size[1]):
        raise ValueError(
            f"is {picture.width}x{picture.height}, smaller than --size {size[0]}x{size[1]}, "
            "and --upscale is not set"
        )
    if options.crop == "none":
        return picture.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _padded(picture: Image.Image, size: tuple[int, int], options: DataOptions) -> Image.Image:
    if options.upscale or picture.width > size[0] or picture.height > size[1]:
        picture = ImageOps.contain(picture, size, Image.Resampling.LANCZOS)
    transparent = picture.mode == "RGBA"
    around = (0, 0, 0, 0) if transparent else ImageColor.getcolor(options.background, picture.mode)
    sheet = Image.new(picture.mode, size, around)
    sheet.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return sheet
