"""Decodes all pictures of a source to images of one shape, in order, with several threads."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from mirage.training.data.options import DataOptions
from mirage.training.data.sources.image import Form, normalise, to_pixels
from mirage.training.data.sources.source import Source
from mirage.training.errors import DataError

CHUNK_IMAGES, CHUNK_BYTES = 64, 16 << 20
"""Upper bounds of one unit of work."""
CHUNKS_AHEAD = 2
"""Chunks per thread that may be decoded but not yet written; bounds memory."""
MAX_BROKEN = 0.01
"""Share of broken pictures by default, but a few of them at least: one in `FEW_OF`, up to `FEW`."""
FEW, FEW_OF = 3, 8
NAMED = 20
"""Broken pictures that are reported by name."""


def cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decode(
    source: Source,
    form: Form,
    options: DataOptions,
    write: Callable[[np.ndarray], None],
    workers: int | None = None,
) -> list[tuple[int, str]]:
    """Decode all images in order and pass them to `write` in chunks uint8 [n, H, W, C].

    Returns (index, reason) of each broken picture; these are left out. Raises DataError if more
    than `allowed_broken` of the pictures are broken, or one has another shape than the others.
    """
    options = options.model_copy(update={"channels": form.channels})
    Image.init()  # before the threads start: loading Pillow's plugins is not thread-safe

    def convert(index: int) -> np.ndarray:
        return to_pixels(normalise(source.picture(index), options), form, options)

    return convert_all(source, convert, form.nbytes, options, write, workers)


def convert_all(
    source: Source,
    convert: Callable[[int], np.ndarray],
    nbytes: int,
    options: DataOptions,
    write: Callable[[np.ndarray], None],
    workers: int | None = None,
) -> list[tuple[int, str]]:
    """As `decode`, of any samples of `nbytes`; convert: makes one, or raises what is its fault."""
    broken: list[tuple[int, str]] = []
    with tqdm(total=len(source), desc="decoding", unit=source.noun[:-1]) as bar:
        for start, images in _chunks(source, convert, nbytes, workers or cpu_count()):
            bad = [
                (start + i, reason) for i, reason in enumerate(images) if isinstance(reason, str)
            ]
            for index, reason in bad:
                broken.append((index, reason))
                _report(bar, source.names[index], reason, len(broken))
            check_broken(
                source.place,
                len(broken),
                len(source),
                options,
                "".join(example_of(source, broken)),
                source.noun,
            )
            write(np.array([image for image in images if not isinstance(image, str)]))
            bar.update(len(images))
    return broken


def check_broken(
    place: str,
    broken: int,
    count: int,
    options: DataOptions,
    example: str = "",
    noun: str = "images",
) -> None:
    """Raise DataError if more than `allowed_broken` of the items are broken."""
    if broken > (allowed := allowed_broken(count, options)):
        share = f"{options.max_broken or MAX_BROKEN:.0%}"
        few = f" or {int(allowed)}" if options.max_broken is None else ""
        raise DataError(
            f"{broken} of {count} {noun} in {place} cannot be read{example}; at most "
            f"{share}{few} may be broken (--max-broken)"
        )


def example_of(source: Source, broken: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """The first broken picture with its reason, as a part of a sentence; () if there is none."""
    return tuple(f", such as {source.names[index]} ({reason})" for index, reason in broken[:1])


def allowed_broken(count: int, options: DataOptions) -> float:
    """How many of `count` pictures may be broken."""
    if options.max_broken is not None:
        return options.max_broken * count
    return max(MAX_BROKEN * count, min(FEW, count // FEW_OF))


def _report(bar: tqdm, name: str, reason: str, number: int) -> None:
    if number <= NAMED:
        bar.write(f"left out {name}: {reason}", file=bar.fp)
    elif number == NAMED + 1:
        bar.write("… and more", file=bar.fp)


def _chunks(
    source: Source, convert: Callable[[int], np.ndarray], nbytes: int, workers: int
) -> Iterator[tuple[int, list[np.ndarray | str]]]:
    """Yield the first index and the images of each chunk, in order.

    Threads suffice because Pillow releases the GIL while it decodes.
    """
    size = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // nbytes))

    def decoded(start: int) -> tuple[int, list[np.ndarray | str]]:
        indices = range(start, min(start + size, len(source)))
        return start, [_converted(source, index, convert) for index in indices]

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


def _converted(
    source: Source, index: int, convert: Callable[[int], np.ndarray]
) -> np.ndarray | str:
    """One sample, or the reason why it cannot be read."""
    try:
        return convert(index)
    except DataError as error:
        raise DataError(f"{source.names[index]} {error}") from error
    except Exception as error:  # Pillow raises many types for damaged files
        return reason_of(error)


def reason_of(error: Exception) -> str:
    """Why a picture cannot be read, from an error while reading it."""
    if isinstance(error, UnidentifiedImageError):  # its message has only a memory address
        return "is not in a supported image format"
    return str(error) or type(error).__name__
