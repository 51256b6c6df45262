"""The queue of entries that wait for a batch."""

import asyncio
import threading
from collections import deque
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.service.errors import DeadlinePassed

Array = NDArray[Any]
Arrays = tuple[Array, ...]  # all of the same length: the number of items


class EntryResult(NamedTuple):
    """The rows of an entry in order, and the seconds it spent in the queue and in batches."""

    rows: Array
    queue_s: float
    run_s: float


class Entry:
    """The items of one caller. They may go through several batches."""

    def __init__(self, arrays: Arrays, deadline: float, now: float) -> None:
        self.arrays = arrays
        self.size = len(arrays[0])
        self.waiting = self.size  # items that are in no batch yet
        self.future: asyncio.Future[EntryResult] = asyncio.get_running_loop().create_future()
        self.deadline = deadline
        self.arrived = now
        self._started: float | None = None
        self._missing = self.size
        self._rows: Array | None = None

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
    """An entry that hands out its rows in order as batches finish."""

    def __init__(self, arrays: Arrays, deadline: float, now: float) -> None:
        super().__init__(arrays, deadline, now)
        self._stops: dict[int, int] = {}  # start → stop of slices filled ahead of earlier rows
        self._ready = 0  # length of the filled prefix
        self._parts: deque[EntryResult] = deque()
        self._changed = asyncio.Event()

    def fill(self, part: "BatchSlice", rows: Array, now: float) -> None:
        """Store the rows of a slice. Slices of several runners may arrive out of order."""
        super().fill(part, rows, now)
        self._stops[part.start] = part.stop
        start = self._ready
        while self._ready in self._stops:
            self._ready = self._stops.pop(self._ready)
        if self._rows is not None and self._ready > start:
            self._parts.append(self._result(self._rows[start : self._ready], now))
            self._changed.set()

    def fail(self, error: Exception) -> None:
        """Raise an error in the caller unless the entry is answered already."""
        super().fail(error)
        self._changed.set()

    async def part(self) -> EntryResult:
        """Return the next rows and the times up to them. Raises the error of the entry."""
        while not self._parts:
            if self.future.done():
                self.future.result()
            self._changed.clear()
            await self._changed.wait()
        return self._parts.popleft()


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
    """A round-robin queue of entries. Hold `lock` while calling its methods."""

    def __init__(self, max_batch_size: int) -> None:
        self.lock = threading.Lock()
        self.waiting = 0  # items that are in no batch yet
        self.closed = False
        self._entries: deque[Entry] = deque()
        self._share = max_batch_size // MIN_SHARES  # items of an entry in a shared batch
        self._large = 0  # unanswered entries of more than one share

    def __len__(self) -> int:
        """Return the number of entries, including those that are over but not yet removed."""
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Queue an entry."""
        self._entries.append(entry)
        self.waiting += entry.size
        self._large += self._is_large(entry)

    def withdraw(self, entry: Entry) -> None:
        """Remove the items of an entry that are in no batch yet."""
        self.waiting -= entry.waiting
        entry.waiting = 0

    def drop(self, slices: list[BatchSlice]) -> None:
        """Remove the remaining items of all entries in a failed batch."""
        for part in slices:
            self.withdraw(part.entry)

    def leave(self, entry: Entry) -> None:
        """Remove an entry whose caller has left, answered or not."""
        self.withdraw(entry)
        self._large -= self._is_large(entry)

    def items_until(self, size: int) -> int:
        """Return how many items run until a new entry of `size` items is answered.

        By round robin, each entry ahead delays it by at most the larger of its size and one share.
        """
        if not self._large:  # no entry exceeds its share, so all queued items run before
            return size + self.waiting
        limit = max(size, self._share)
        return size + sum(min(entry.waiting, limit) for entry in self._entries)

    def oldest(self) -> float | None:
        """Return when the oldest entry with queued items arrived."""
        return min((entry.arrived for entry in self._entries if entry.waiting), default=None)

    def form(self, room: int, now: float) -> list[BatchSlice]:
        """Take a batch of up to `room` items, an equal share of each entry in turn.

        Removes entries that are over.
        """
        live = (entry for entry in self._entries if not entry.is_over(now))
        share = max(1, room // max(1, len(list(islice(live, MIN_SHARES)))))
        slices = []
        while self._entries:
            entry = self._entries.popleft()
            if entry.is_over(now):
                continue
            if not room:
                self._entries.appendleft(entry)
                break
            part = entry.take(min(share, room), now)
            if entry.waiting:
                self._entries.append(entry)
            slices.append(part)
            room -= part.size
            self.waiting -= part.size
        return slices

    def _is_large(self, entry: Entry) -> bool:
        return entry.size > self._share
