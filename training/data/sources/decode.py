"""Decodes all pictures of a source to images of one shape, in order, with several threads."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

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
NAMED, NAMED_IN_NOTE = 20, 3
"""Broken pictures that are reported by name while they are read, and in a note afterwards."""

Item = TypeVar("Item")


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
    size = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // nbytes))
    for samples in readable(source, convert, size, options.max_broken, broken, workers):
        write(np.array(samples))
    return broken


def readable(
    source: Source,
    convert: Callable[[int], Item],
    size: int,
    max_broken: float | None,
    broken: list[tuple[int, str]],
    workers: int | None = None,
) -> Iterator[list[Item]]:
    """Yield what `convert` makes of each item, in order, from chunks of `size` items.

    Broken items, of which `convert` raises what is their fault, are left out and added to `broken`
    as (index, reason). Raises DataError if more than `allowed_broken` of the items are broken.
    """
    Image.init()  # before the threads start: loading Pillow's plugins is not thread-safe
    with tqdm(total=len(source), desc="decoding", unit=source.noun[:-1]) as bar:
        for start, items in _chunks(source, convert, size, workers or cpu_count()):
            good: list[Item] = []
            for index, item in enumerate(items, start):
                if isinstance(item, _Fault):
                    broken.append((index, item.reason))
                    _report(bar, source.names[index], item.reason, len(broken))
                else:
                    good.append(item)
            example = "".join(example_of(source, broken))
            check_broken(source.place, len(broken), len(source), max_broken, example, source.noun)
            yield good
            bar.update(len(items))


def check_broken(
    place: str,
    broken: int,
    count: int,
    max_broken: float | None,
    example: str = "",
    noun: str = "images",
) -> None:
    """Raise DataError if more than `allowed_broken` of the items are broken."""
    if broken > (allowed := allowed_broken(count, max_broken)):
        share = f"{MAX_BROKEN if max_broken is None else max_broken:.0%}"
        few = f" or {int(allowed)}" if max_broken is None else ""
        raise DataError(
            f"{broken} of {count} {noun} in {place} cannot be read{example}; at most "
            f"{share}{few} may be broken (--max-broken)"
        )


def example_of(source: Source, broken: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """The first broken picture with its reason, as a part of a sentence; () if there is none."""
    return tuple(f", such as {source.names[index]} ({reason})" for index, reason in broken[:1])


def allowed_broken(count: int, max_broken: float | None) -> float:
    """How many of `count` pictures may be broken."""
    if max_broken is not None:
        return max_broken * count
    return max(MAX_BROKEN * count, min(FEW, count // FEW_OF))


def _report(bar: tqdm, name: str, reason: str, number: int) -> None:
    if number <= NAMED:
        bar.write(f"left out {name}: {reason}", file=bar.fp)
    elif number == NAMED + 1:
        bar.write("… and more", file=bar.fp)


@dataclass(frozen=True)
class _Fault:
    """Why an item is broken."""

    reason: str


def _chunks(
    source: Source, convert: Callable[[int], Item], size: int, workers: int
) -> Iterator[tuple[int, list[Item | _Fault]]]:
    """Yield the first index and the items of each chunk, in order.

    Threads suffice because Pillow releases the GIL while it decodes.
    """

    def decoded(start: int) -> tuple[int, list[Item | _Fault]]:
        indices = range(start, min(start + size, len(source)))
        return start, [_converted(source, index, convert) for index in indices]

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[int, list[Item | _Fault]]]] = deque()
        try:
            for start in range(0, len(source), size):
                waiting.append(pool.submit(decoded, start))
                if len(waiting) > CHUNKS_AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _converted(source: Source, index: int, convert: Callable[[int], Item]) -> Item | _Fault:
    """One item, or why it cannot be read."""
    try:
        return convert(index)
    except DataError as error:
        raise DataError(f"{source.names[index]} {error}") from error
    except Exception as error:  # Pillow raises many types for damaged files
        return _Fault(reason_of(error))


def reason_of(error: Exception) -> str:
    """Why a picture cannot be read, from an error while reading it."""
    if isinstance(error, UnidentifiedImageError):  # its message has only a memory address
        return "is not in a supported image format"
    return str(error) or type(error).__name__


def note_on(source: Source, broken: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """A note on the items that were left out; () if there are none."""
    if not broken:
        return ()
    named = [
        _left_out(printable(source.names[index]), reason)
        for index, reason in broken[:NAMED_IN_NOTE]
    ]
    rest = len(broken) - NAMED_IN_NOTE
    more = f"; and {rest:,} more" if rest > 0 else ""
    return (f"left out: {'; '.join(named)}{more}",)


def _left_out(name: str, reason: str) -> str:
    """A name and a reason as one sentence; those of Pillow and the system are no predicates."""
    return f"{name} {reason}" if reason.startswith(("is ", "has ")) else f"{name}: {reason}"


def printable(name: str) -> str:
    """A path with bytes that are not UTF-8 as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()
