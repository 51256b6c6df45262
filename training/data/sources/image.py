"""One picture of any kind -> one image uint8 [H, W, C] as the networks will see it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageColor, ImageOps

from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Some others of Pillow's start programs or read more files; data may come from anyone."""
SUFFIXES = tuple(".png .jpg .jpeg .bmp .gif .webp .tif .tiff .ppm .pgm".split())
MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
CHANNELS_OF_MODE = {mode: channels for channels, mode in MODE_OF_CHANNELS.items()}
GREY_MODES = {"1", "L", "LA", "La", "I;16"}
MAX_FILE_BYTES = 256 << 20
MAX_PIXELS = (1 << 30) // 4 // 3
"""89 megapixels, 358 MB as RGBA for each thread: where Pillow begins to warn, but still decodes."""
DRAFT = 2
"""A JPEG may be decoded at 1/2, 1/4 or 1/8 if that leaves this many times `size`."""


@dataclass(frozen=True)
class Form:
    """What every image of a data set is brought to."""

    width: int
    height: int
    channels: int

    def __str__(self) -> str:
        kind = {1: "grey", 3: "RGB", 4: "RGBA"}[self.channels]
        return f"{self.width}x{self.height} {kind}"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels


def open_picture(content: bytes) -> Image.Image:
    """The picture in these bytes, its pixels not yet decoded; Pillow's errors pass through.

    Raises ValueError for one of more than `MAX_PIXELS`.
    """
    picture = Image.open(io.BytesIO(content), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(
            f"is {picture.width}x{picture.height}; at most {MAX_PIXELS:,} pixels are decoded"
        )
    return picture


def read_file(path: Path) -> bytes:
    """All of a plain file of at most `MAX_FILE_BYTES`; raises OSError or ValueError."""
    if path.exists() and not path.is_file():
        raise ValueError("is no plain file")  # a named pipe would be waited for
    with path.open("rb") as file:
        return read_bounded(file)


def read_bounded(file: IO[bytes]) -> bytes:
    """What is left of a file, whatever size it announces; raises ValueError when it is too much."""
    content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"holds more than {MAX_FILE_BYTES >> 20} MiB")
    return content


def normalise(picture: Image.Image, options: DataOptions) -> Image.Image:
    """Upright, eight bits, the first frame: L or RGB, or RGBA where transparency is kept.

    Raises ValueError for floating-point pixels, and whatever Pillow raises for broken pictures.
    """
    if options.size:
        side = DRAFT * max(options.size)
        picture.draft(None, (side, side))  # does something for JPEG alone, and never too much
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
    """16 bits -> 8, rounded; Pillow alone would cut off at 255."""
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range nobody knows")
    if not picture.mode.startswith("I"):
        return picture
    levels = np.asarray(picture).astype(np.int64)
    if levels.size and not 0 <= levels.min() <= levels.max() <= 0xFFFF:
        raise ValueError(f"its grey levels are {levels.min()} to {levels.max()}, beyond 16 bits")
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def _composite(picture: Image.Image, options: DataOptions, grey: bool) -> Image.Image:
    below = Image.new("RGBA", picture.size, (*options.colour, 255))
    grey = grey and len(set(options.colour)) == 1
    return Image.alpha_composite(below, picture).convert("L" if grey else "RGB")


def to_pixels(picture: Image.Image, form: Form, options: DataOptions) -> np.ndarray:
    """A normalised picture -> uint8 [H, W, C].

    Raises ValueError when it is too small, and DataError when it cannot take the form of the others
    without a choice that only a person can make.
    """
    picture = _with_channels(picture, form, options)
    if options.size:
        picture = _resized(picture, options.size, options)
    elif picture.size != (form.width, form.height):
        raise DataError(
            f"is {picture.width}x{picture.height}, the images before it "
            f"{form.width}x{form.height}; give all images one size with --size"
        )
    pixels = np.array(picture).reshape(form.shape)
    if form.channels == 4:
        pixels[pixels[..., 3] == 0] = 0  # nobody sees that colour, and networks would learn it
    return pixels


def _with_channels(picture: Image.Image, form: Form, options: DataOptions) -> Image.Image:
    mode = MODE_OF_CHANNELS[form.channels]
    if options.channels is None and CHANNELS_OF_MODE[picture.mode] > form.channels:
        more = "transparency" if picture.mode == "RGBA" else "colour"
        without = "--alpha composite" if picture.mode == "RGBA" else "--channels 1"
        raise DataError(
            f"has {more}, the images looked at first have none; say --channels "
            f"{CHANNELS_OF_MODE[picture.mode]} to keep it or {without} to do without"
        )
    return picture if picture.mode == mode else picture.convert(mode)


def _resized(picture: Image.Image, size: tuple[int, int], options: DataOptions) -> Image.Image:
    """Lanczos, which averages when it makes smaller; RGBA is weighted by its alpha."""
    if picture.size == size:
        return picture
    if options.crop == "pad":
        return _padded(picture, size, options)
    if not options.upscale and (picture.width < size[0] or picture.height < size[1]):
        raise ValueError(
            f"is {picture.width}x{picture.height}, smaller than --size {size[0]}x{size[1]}, "
            "and --upscale is not given"
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
