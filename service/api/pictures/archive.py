"""Enlarges a ZIP of pictures entry by entry. Entries that fail do not affect the others."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from pydantic_core import to_json

from mirage.service.api.pictures.enlarge import EMPTY, Enlargement, Part, measure
from mirage.service.api.pictures.upscaler import Upscaler
from mirage.service.api.problems import describe
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import InternalError, LimitExceeded, ServiceError
from mirage.service.media.archive import Archive
from mirage.service.media.encoding import PNG
from mirage.service.media.unzip import Unzip, check_name, enlarged_name
from mirage.service.settings import Settings
from mirage.service.tasks.larger_picture import Size, Wanted
from mirage.service.tasks.upscale import count_images

log = logging.getLogger(__name__)

ERRORS = "errors.json"
# Entries that are under way at once: enough to fill batches with small ones.
AT_ONCE = 16
AT_ONCE_BYTES = 64 * 2**20  # of their decoded pictures, where there are several


@dataclass
class Entry:
    """An entry of the archive: its name, its name in the answer, and its size or error."""

    number: int
    name: str
    renamed: str = ""
    size: Size | None = None
    error: ServiceError | None = None


def survey(archive: Unzip, settings: Settings) -> list[Entry]:
    """Check the names and picture headers of all entries. Errors are stored in their entries."""
    entries, taken = [], {ERRORS}
    for number, name in enumerate(archive.names()):
        entry = Entry(number, name)
        try:
            entry.renamed = enlarged_name(check_name(name), taken)
            entry.size = measure(archive.read(number), settings)
            taken.add(entry.renamed)
        except Exception as error:
            entry.error = _told(error)
        entries.append(entry)
    return entries


class EnlargedArchive:
    """The enlarged pictures of a ZIP. `archive` must stay open while `parts` runs.

    Raises LimitExceeded, Overloaded and DeadlineUnreachable for all entries together.
    """

    def __init__(self, upscaler: Upscaler, archive: Unzip, entries: list[Entry], scale: float):
        self._upscaler, self._archive, self._entries = upscaler, archive, entries
        self._wanted = Wanted(scale, PNG, upscaler.service.settings.compression)
        self._errors: list[dict[str, object]] = []
        self.sizes = [entry.size for entry in entries if entry.size is not None]
        pixels = sum(size.height * size.width for size in self.sizes)
        most = upscaler.service.settings.picture_megapixels
        if pixels > 1e6 * most:
            raise LimitExceeded.of(
                "picture",
                f"the pictures of the ZIP have {pixels / 1e6:.1f} megapixels in all; at most"
                f" {most:g} are allowed",
            )
        upscaler.check(1, pixels, field="picture")

    @property
    def images(self) -> int:
        """Number of images that the pictures count as in rate limits."""
        scale = self._upscaler.model.scale
        return sum(count_images(*size, scale) for size in self.sizes)

    @property
    def held_bytes(self) -> int:
        """Memory of the pictures that are processed at the same time, in bytes."""
        each = [self._held_bytes(size) for size in self.sizes]
        return min(sum(each), max(AT_ONCE_BYTES, *each, 0))

    async def parts(self) -> AsyncGenerator[Part]:
        """Yield the bytes of the answer, in the order of the entries."""
        written, last, encode_s = Archive(), EMPTY, 0.0
        running: deque[tuple[Entry, int, asyncio.Task[Part]]] = deque()
        waiting = deque(self._entries)
        try:
            while waiting or running:
                self._start(waiting, running)
                entry, _, task = running.popleft()
                try:
                    made = await task
                except Exception as error:
                    self._errors.append({"name": entry.name[:200], **describe(_told(error))})
                    continue
                last, encode_s = _later(last, made.outcome), encode_s + made.encode_s
                yield Part(written.add_file(entry.renamed, made.data), last, encode_s)
        finally:
            for *_, task in running:
                task.cancel()
        errors = (
            written.add_file(ERRORS, to_json({"errors": self._errors})) if self._errors else b""
        )
        yield Part(errors + written.end(), last, encode_s)

    def _start(
        self, waiting: deque[Entry], running: deque[tuple[Entry, int, asyncio.Task[Part]]]
    ) -> None:
        """Start entries up to the limits on their number and memory."""
        while waiting and len(running) < AT_ONCE:
            entry = waiting[0]
            cost = 0 if entry.size is None else self._held_bytes(entry.size)
            if running and cost + sum(held for _, held, _ in running) > AT_ONCE_BYTES:
                return
            running.append((waiting.popleft(), cost, asyncio.create_task(self._enlarge(entry))))

    def _held_bytes(self, size: Size) -> int:
        return self._wanted.held_bytes(size)

    async def _enlarge(self, entry: Entry) -> Part:
        """Return the PNG of an entry. Raises its ServiceError."""
        if entry.error is not None or entry.size is None:
            raise entry.error or AssertionError(entry)
        enlargement = Enlargement(self._upscaler, entry.size, self._wanted)
        await enlargement.decode(lambda: self._archive.read(entry.number))
        async with aclosing(enlargement.parts()) as parts:
            made = [part async for part in parts]
        return made[-1]._replace(data=b"".join(part.data for part in made))


def _told(error: Exception) -> ServiceError:
    """Return an error as its client sees it; unexpected ones are logged."""
    if isinstance(error, ServiceError):
        return error
    log.error("an entry of a ZIP failed", exc_info=error)
    return InternalError("the picture could not be enlarged; the log of the service says why")


def _later(first: EntryResult, second: EntryResult) -> EntryResult:
    """Add up the run times of two entries; the queue time is that of the first."""
    return EntryResult(second.rows, first.queue_s or second.queue_s, first.run_s + second.run_s)
