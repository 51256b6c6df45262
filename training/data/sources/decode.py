"""Every picture of a source -> images of one form, in order, by several threads."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from mirage.training.data.options import DataOptions
from mirage.training.data.sources.image import CHANNELS_OF_MODE, Form, normalise, to_pixels
from mirage.training.data.sources.image_folder import Source
from mirage.training.errors import DataError

LOOKED_AT = 32
"""Pictures, spread over all, by which the form is found."""
CHUNK_IMAGES, CHUNK_BYTES = 64, 16 << 20
CHUNKS_AHEAD = 2
"""For each worker: bounds what is decoded but not yet written."""
NAMED = 20

Broken = tuple[str, str]
"""A picture that was left out: its name, and why."""


def cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_form(source: Source, options: DataOptions) -> Form:
    """The form for all pictures: what is asked for, else what some pictures, spread over all, have.

    Raises DataError when none of those can be read, or their sides are no multiples of 4.
    """
    places = np.unique(np.linspace(0, len(source) - 1, LOOKED_AT).astype(int)).tolist()
    found = [_looked_at(source, place, options) for place in places]
    readable = [picture for picture in found if isinstance(picture, Image.Image)]
    if not readable:
        raise DataError(
            f"none of {len(found)} images of {source.place} can be read; "
            f"{source.names[places[0]]}: {found[0]}"
        )
    width, height = options.size or readable[0].size
    if width % 4 or height % 4:
        near = f"{max(4, width // 4 * 4)}x{max(4, height // 4 * 4)}"
        raise DataError(
            f"the images of {source.place} are {width}x{height}; sides must be multiples of 4, "
            f"say --size {near} (width x height)"
        )
    channels = max(CHANNELS_OF_MODE[picture.mode] for picture in readable)
    return Form(width, height, options.channels or channels)


def _looked_at(source: Source, place: int, options: DataOptions) -> Image.Image | str:
    try:
        return normalise(source.picture(place), options)
    except Exception as error:  # see `_decoded`
        return _reason(error)


def decode(
    source: Source,
    form: Form,
    options: DataOptions,
    write: Callable[[np.ndarray], None],
    workers: int | None = None,
) -> list[tuple[int, str]]:
    """Hand all images, uint8 [n, H, W, C] at a time and in order, to `write`.

    Answers the numbers of the broken pictures, which are left out, and why. Raises DataError when
    they are more than `max_broken` of all, or when a picture has not the form of the others.
    """
    broken: list[tuple[int, str]] = []
    with tqdm(total=len(source), desc="decoding", unit="img") as bar:
        for start, images in _chunks(source, form, options, workers or cpu_count()):
            bad = [(start + at, why) for at, why in enumerate(images) if isinstance(why, str)]
            for place, why in bad:
                broken.append((place, why))
                _tell(bar, source.names[place], why, len(broken))
            check_broken(source.place, len(broken), len(source), options)
            write(np.array([image for image in images if not isinstance(image, str)], np.uint8))
            bar.update(len(images))
    return broken


def check_broken(place: str, broken: int, count: int, options: DataOptions) -> None:
    """Raise DataError when more pictures are broken than may be."""
    if broken > options.max_broken * count:
        raise DataError(
            f"{broken} of {count} images in {place} cannot be used; at most "
            f"{options.max_broken:.0%} may be broken (--max-broken)"
        )


def _tell(bar: tqdm, name: str, why: str, number: int) -> None:
    if number <= NAMED:
        bar.write(f"left out {name}: {why}", file=bar.fp)
    elif number == NAMED + 1:
        bar.write("… and more, which are not named here", file=bar.fp)


def _chunks(
    source: Source, form: Form, options: DataOptions, workers: int
) -> Iterator[tuple[int, list[np.ndarray | str]]]:
    """First number and images of one chunk after the other; Pillow decodes without the GIL."""
    Image.init()  # once, before the threads would do it together
    size = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // form.nbytes))

    def decoded(start: int) -> tuple[int, list[np.ndarray | str]]:
        places = range(start, min(start + size, len(source)))
        return start, [_decoded(source, place, form, options) for place in places]

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[int, list[np.ndarray | str]]]] = deque()
        try:
            for start in range(0, len(source), size):
                waiting.append(pool.submit(decoded, start))
                if len(waiting) > CHUNKS_AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _decoded(source: Source, place: int, form: Form, options: DataOptions) -> np.ndarray | str:
    """An image uint8 [H, W, C], or why there is none."""
    try:
        return to_pixels(normalise(source.picture(place), options), form, options)
    except DataError as error:
        raise DataError(f"{source.names[place]} {error}") from error
    except Exception as error:  # damaged files make Pillow raise nearly anything
        return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text names an object in memory
        return "is no picture of a known kind"
    return str(error) or type(error).__name__
