"""The form of a data set's images: chosen from the headers of all pictures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

from mirage.training.data.options import DataOptions
from mirage.training.data.sources.decode import (
    allowed_broken,
    check_broken,
    cpu_count,
    example_of,
    reason_of,
)
from mirage.training.data.sources.image import CHANNELS_OF_MODE, GREY_MODES, Form, normalise
from mirage.training.data.sources.source import Source
from mirage.training.errors import DataError

LEAST_TRANSPARENT = 0.1
"""Share of transparent pictures from which on all images get an alpha channel."""
TURNED = range(5, 9)
"""EXIF orientations that exchange width and height."""
AT_ONCE = 64
"""Headers in one unit of work."""
LISTED = 4
"""Sizes listed."""


@dataclass(frozen=True)
class Header:
    """Width and height of a picture as it is shown, and its mode: L, RGB, or RGBA if a pixel is
    not opaque."""

    size: tuple[int, int]
    mode: str


def find_form(source: Source, options: DataOptions) -> tuple[Form, tuple[str, ...]]:
    """The form to decode to, from the options and the headers of all pictures; and notes on it.

    Without `channels`, images are grey if all are, RGBA if at least `LEAST_TRANSPARENT` of them are
    transparent and `alpha` is kept, and else RGB. Raises DataError if too many pictures cannot be
    read or are smaller than `size`, sizes differ without it, or sides are no multiples of 4.
    """
    found = list(_headers(source, options))
    headers = [header for header in found if isinstance(header, Header)]
    if not headers:
        raise DataError(
            f"none of {len(found)} images of {source.place} can be read; "
            f"{source.names[0]}: {found[0]}"
        )
    broken = [(index, reason) for index, reason in enumerate(found) if isinstance(reason, str)]
    check_broken(
        source.place, len(broken), len(found), options.max_broken, *example_of(source, broken)
    )
    size, on_sizes = _size(source.place, headers, options)
    channels, on_channels = _channels([header.mode for header in headers], options)
    return Form(*size, channels), (*on_sizes, *on_channels)


def _headers(source: Source, options: DataOptions) -> Iterator[Header | str]:
    """The header of each picture, or the reason why it cannot be read."""
    pixels = source.pixels
    if pixels is not None and pixels.shape[3] < 4:
        mode = "L" if pixels.shape[3] == 1 else "RGB"
        yield from [Header((pixels.shape[2], pixels.shape[1]), mode)] * len(source)
        return
    Image.init()  # before the threads start: loading Pillow's plugins is not thread-safe
    with (
        ThreadPoolExecutor(cpu_count()) as pool,
        tqdm(total=len(source), desc="reading headers", unit="img", delay=1) as bar,
    ):
        for headers in pool.map(partial(_some, source, options), range(0, len(source), AT_ONCE)):
            yield from headers
            bar.update(len(headers))


def _some(source: Source, options: DataOptions, start: int) -> list[Header | str]:
    stop = min(start + AT_ONCE, len(source))
    return [_header(source, options, index) for index in range(start, stop)]


def _header(source: Source, options: DataOptions, index: int) -> Header | str:
    if source.header:
        with suppress(Exception):  # PNG may have its EXIF data after the pixels
            return _seen(source.header(index), source, options, index)
    try:
        return _seen(source.picture(index), source, options, index)
    except Exception as error:  # Pillow raises many types for damaged files
        return reason_of(error)


def _seen(picture: Image.Image, source: Source, options: DataOptions, index: int) -> Header:
    width, height = picture.size
    turned = picture.getexif().get(ExifTags.Base.Orientation) in TURNED
    if turned and picture.format != "TIFF":  # whose size Pillow tells as it is shown
        width, height = height, width
    return Header((width, height), _mode(picture, source, options, index))


def _mode(picture: Image.Image, source: Source, options: DataOptions, index: int) -> str:
    if picture.has_transparency_data and options.channels is None:
        return normalise(source.picture(index), options).mode  # alpha may be opaque everywhere
    grey = picture.mode in GREY_MODES or picture.mode.startswith("I")
    return "L" if grey else "RGB"


def _size(
    place: str, headers: Sequence[Header], options: DataOptions
) -> tuple[tuple[int, int], list[str]]:
    """Width and height of all images, with a note if the pictures have several sizes."""
    sizes = Counter(header.size for header in headers)
    listed = ", ".join(f"{w}x{h} ({count:,})" for (w, h), count in sizes.most_common(LISTED))
    more = f" and {len(sizes) - LISTED:,} more" if len(sizes) > LISTED else ""
    if options.size:
        _check_small(place, headers, options)
        note = f"{len(sizes):,} sizes, made {options.size[0]}x{options.size[1]}: {listed}{more}"
        return options.size, [note] if len(sizes) > 1 else []
    if len(sizes) > 1:
        width, height = _common(headers, options)
        raise DataError(
            f"the images of {place} have {len(sizes):,} sizes, {listed}{more}; give them one size, "
            f"such as --size {width}x{height} (width x height)"
        )
    (width, height), _ = sizes.most_common(1)[0]
    if width % 4 or height % 4:
        larger = f"{-(-width // 4) * 4}x{-(-height // 4) * 4}"
        smaller = f"{max(4, width // 4 * 4)}x{max(4, height // 4 * 4)}"
        raise DataError(
            f"the images of {place} are {width}x{height}; sides must be multiples of 4, "
            f"pass --size {larger} --crop pad to add a margin, or --size {smaller} to shrink them "
            "(width x height)"
        )
    return (width, height), []


def _common(headers: Sequence[Header], options: DataOptions) -> tuple[int, int]:
    """The largest sides, multiples of 4, that leave out no more pictures than may be broken."""
    spared = int(allowed_broken(len(headers), options.max_broken)) // 2
    sides = np.sort([header.size for header in headers], axis=0)[spared]
    width, height = np.maximum(4, sides // 4 * 4).tolist()
    return width, height


def _check_small(place: str, headers: Sequence[Header], options: DataOptions) -> None:
    if options.upscale or options.crop == "pad" or options.size is None:
        return
    width, height = options.size
    small = [own.size for own in headers if own.size[0] < width or own.size[1] < height]
    if len(small) > allowed_broken(len(headers), options.max_broken):
        raise DataError(
            f"{len(small):,} of {len(headers):,} images of {place} are smaller than --size "
            f"{width}x{height}, the smallest {'x'.join(map(str, min(small)))}; pass --upscale to "
            "enlarge them, --crop pad to add a margin, or a smaller --size"
        )


def _channels(modes: Sequence[str], options: DataOptions) -> tuple[int, list[str]]:
    """The number of channels, with a note if the pictures have several modes."""
    if options.channels:
        return options.channels, []
    counts, count = Counter(modes), len(modes)
    transparent = counts.pop("RGBA", 0)
    if transparent >= LEAST_TRANSPARENT * count:
        rest = count - transparent
        note = (
            f"{transparent:,} of {count:,} images are transparent; the others get an alpha channel"
        )
        return CHANNELS_OF_MODE["RGBA"], [note] if transparent and rest else []
    notes = []
    if transparent:
        notes.append(
            f"{transparent:,} of {count:,} images are transparent, fewer than "
            f"{LEAST_TRANSPARENT:.0%}, and are drawn over {options.background}; --channels 4 keeps "
            "transparency"
        )
    if counts["L"] and counts["RGB"]:
        notes.append(f"{counts['L']:,} of {count:,} images are grey and made RGB")
    return 3 if counts["RGB"] or transparent else 1, notes
