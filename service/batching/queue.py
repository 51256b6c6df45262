"""The queue of entries that wait for a batch."""

import asyncio
import threading
from collections import deque
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage.service.errors import DeadlinePassed

Array = NDArray[Any]


class Items(Protocol):
    """The rows of an input: an array, or an object that makes arrays of its rows on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of a row."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: slice, /) -> Array:
        """Return the rows of a slice as an array."""


Inputs = tuple[Items, ...]  # all of the same length: the number of items
Arrays = tuple[Array, ...]  # the same for a batch


class EntryResult(NamedTuple):
    """The rows of an entry in order, and the seconds it spent in the queue and in batches."""

    rows: Array
    queue_s: float
    run_s: float


class Entry:
    """The items of one caller. They may go through several batches.

    `weight` is the work of one item. A batch only holds entries with equal `shapes`.
    """

    def __init__(self, arrays: Inputs, deadline: float, now: float, weight: int = 1) -> None:
        self.arrays = arrays
        self.shapes = tuple(array.shape[1:] for array in arrays)
        self.weight = weight
        self.size = len(arrays[0])
        self.waiting = self.size  # items that are in no batch yet
        self.future: asyncio.Future[EntryResult] = asyncio.get_running_loop().create_future()
        self.deadline = deadline
        self.arrived = now
        self._started: float | None = None
        self._missing = self.size
        self._rows: Array | None = None

    @property
    def work(self) -> int:
        """Work of the items that are in no batch yet."""
        return self.waiting * self.weight

    @property
    def is_paused(self) -> bool:
        """Whether no further item may run for now."""
        return False

    def is_over(self, now: float) -> bool:
        """Whether no item has to run: withdrawn, answered, failed, cancelled or past deadline."""
        return not self.waiting or self.future.done() or now >= self.deadline

    def take(self, limit: int, now: float) -> "BatchSlice":
        """Take up to `limit` items for a batch that starts at `now`."""
        if self._started is None:
            self._started = now
        start = self.size - self.waiting
        stop = start + min(limit, self.waiting)
        self.waiting = self.size - stop
        return BatchSlice(self, start, stop)

    def fill(self, part: "BatchSlice", rows: Array, now: float) -> None:
        """Store the rows of a slice, and resolve the future once all rows are there."""
        if self.future.done():
            return
        if part.size == self.size:
            self._rows = rows
        else:
            if self._rows is None:
                self._rows = np.empty((self.size, *rows.shape[1:]), rows.dtype)
            self._rows[part.start : part.stop] = rows
        self._missing -= part.size
        if not self._missing:
            self.future.set_result(self._result(self._rows, now))

    def expire(self) -> None:
        """Fail with DeadlinePassed unless the entry is answered already."""
        self.fail(DeadlinePassed("the deadline passed before the images were made"))

    def close(self) -> None:
        """Cancel the future: the caller has left."""
        if not self.future.cancel() and not self.future.cancelled():
            self.future.exception()  # asyncio logs exceptions that nobody retrieves

    def fail(self, error: Exception) -> None:
        """Raise an error in the caller unless the entry is answered already."""
        if not self.future.done():
            self.future.set_exception(error)

    def _result(self, rows: Array, now: float) -> EntryResult:
        started = self.arrived if self._started is None else self._started
        return EntryResult(rows, started - self.arrived, now - started)


class StreamedEntry(Entry):
    """An entry that hands out its rows in order as batches finish.

    At most `window` items run ahead of the caller; None means no limit.
    """

    def __init__(
        self,
        arrays: Inputs,
        deadline: float,
        now: float,
        weight: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(arrays, deadline, now, weight)
        self._window = self.size if window is None else window
        self._consumed = 0  # items of parts that the caller is done with
        self._parts: dict[int, EntryResult] = {}  # by the number of their first row
        self._next = 0  # first row of the next part
        self._changed = asyncio.Event()

    @property
    def is_paused(self) -> bool:
        """Whether as many items are taken as the window allows."""
        return self.waiting > 0 and self._room <= 0

    @property
    def _room(self) -> int:
        return self._window - (self.size - self.waiting - self._consumed)

    def take(self, limit: int, now: float) -> "BatchSlice":
        """Take up to `limit` items, but no more than the window allows."""
        return super().take(min(limit, self._room), now)

    def fill(self, part: "BatchSlice", rows: Array, now: float) -> None:
        """Store the rows of a slice. Slices of several runners may arrive out of order."""
        if self.future.done():
            return
        self._missing -= part.size
        self._parts[part.start] = result = self._result(rows, now)
        self._changed.set()
        if not self._missing:
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise an error in the caller unless the entry is answered already."""
        super().fail(error)
        self._changed.set()

    async def part(self) -> EntryResult:
        """Return the next rows and the times up to them. Raises the error of the entry."""
        while (part := self._parts.pop(self._next, None)) is None:
            if self.future.done():
                self.future.result()
            self._changed.clear()
            await self._changed.wait()
        self._next += len(part.rows)
        return part

    def consume(self, part: EntryResult) -> None:
        """Note that the caller is done with a part. Call it with the queue's lock held."""
        self._consumed += len(part.rows)


class BatchSlice(NamedTuple):
    """The items `start` to `stop - 1` of an entry, in one batch."""

    entry: Entry
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of items."""
        return self.stop - self.start

    @property
    def is_last(self) -> bool:
        """Whether it ends with the last item of its entry."""
        return self.stop == self.entry.size


def gather(slices: list[BatchSlice]) -> Arrays:
    """Concatenate the arrays of the slices of a batch."""
    parts = [[array[s.start : s.stop] for array in s.entry.arrays] for s in slices]
    if len(parts) == 1:
        return tuple(parts[0])
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


# Entries that share a batch if so many wait. With four, an entry of up to a quarter of a batch
# runs in one piece in the next batch, whatever large entries are queued ahead.
MIN_SHARES = 4


class Queue:
    """A round-robin queue of entries. Hold `lock` while calling its methods.

    `max_batch_work` is the work of the largest batch.
    """

    def __init__(self, max_batch_work: int) -> None:
        self.lock = threading.Lock()
        self.waiting = 0  # items that are in no batch yet
        self.work = 0  # their work
        self.closed = False
        self._entries: deque[Entry] = deque()
        self._share = max_batch_work // MIN_SHARES  # work of an entry in a shared batch
        self._large = 0  # unanswered entries of more than one share

    def __len__(self) -> int:
        """Return the number of entries, including those that are over but not yet removed."""
        return len(self._entries)

    def has_work(self) -> bool:
        """Whether an entry can be taken or removed now."""
        return any(not entry.is_paused for entry in self._entries)

    def append(self, entry: Entry) -> None:
        """Queue an entry."""
        self._entries.append(entry)
        self.waiting += entry.size
        self.work += entry.work
        self._large += self._is_large(entry)

    def withdraw(self, entry: Entry) -> None:
        """Remove the items of an entry that are in no batch yet."""
        self.waiting -= entry.waiting
        self.work -= entry.work
        entry.waiting = 0

    def drop(self, slices: list[BatchSlice]) -> None:
        """Remove the remaining items of all entries in a failed batch."""
        for part in slices:
            self.withdraw(part.entry)

    def leave(self, entry: Entry) -> None:
        """Remove an entry whose caller has left, answered or not."""
        self.withdraw(entry)
        self._large -= self._is_large(entry)

    def work_until(self, work: int) -> int:
        """Return how much work runs until a new entry of so much work is answered.

        By round robin, each entry ahead delays it by at most the larger of its work and one share.
        """
        if not self._large:  # no entry exceeds its share, so all queued items run before
            return work + self.work
        limit = max(work, self._share)
        return work + sum(min(entry.work, limit) for entry in self._entries)

    def oldest(self) -> float | None:
        """Return when the oldest entry with queued items arrived."""
        return min((entry.arrived for entry in self._entries if entry.waiting), default=None)

    def take_batch(self, room: int, now: float) -> list[BatchSlice]:
        """Take a batch of up to `room` work, an equal share of each entry in turn.

        The batch has the shapes of the first entry; entries of other shapes keep their places. A
        single item is taken even if its work exceeds `room`. Removes entries that are over.
        """
        share = room // max(1, self._sharers(now))
        slices: list[BatchSlice] = []
        skipped: list[Entry] = []
        while self._entries:
            entry = self._entries.popleft()
            if entry.is_over(now):
                continue
            if entry.is_paused or (slices and entry.shapes != slices[0].entry.shapes):
                skipped.append(entry)
                continue
            items = min(max(share, entry.weight), room) // entry.weight
            if room and not slices:
                items = max(1, items)
            if items < 1:
                self._entries.appendleft(entry)
                break
            part = entry.take(items, now)
            if entry.waiting:
                self._entries.append(entry)
            slices.append(part)
            room -= part.size * entry.weight
            self.waiting -= part.size
            self.work -= part.size * entry.weight
        self._entries.extendleft(reversed(skipped))
        return slices

    def _sharers(self, now: float) -> int:
        """Return how many entries can share the next batch, counted up to MIN_SHARES."""
        live = (e for e in self._entries if not (e.is_paused or e.is_over(now)))
        if (first := next(live, None)) is None:
            return 0
        same = (entry for entry in live if entry.shapes == first.shapes)
        return 1 + len(list(islice(same, MIN_SHARES - 1)))

    def _is_large(self, entry: Entry) -> bool:
        return entry.size * entry.weight > self._share
