"""Entries that wait for a batch, in a bounded queue counted in items."""

import asyncio
import threading
from collections import deque
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.service.errors import DeadlinePassed

Array = NDArray[Any]
Arrays = tuple[Array, ...]  # of one length: the items


class EntryResult(NamedTuple):
    """The rows of an entry, in order, and its seconds in the queue and in batches."""

    rows: Array
    queue_s: float
    run_s: float


class Entry:
    """Items that one caller waits for; they may go through several batches."""

    def __init__(self, arrays: Arrays, deadline: float, now: float) -> None:
        self.arrays = arrays
        self.size = len(arrays[0])
        self.waiting = self.size  # items that no batch has taken yet
        self.future: asyncio.Future[EntryResult] = asyncio.get_running_loop().create_future()
        self.deadline = deadline
        self.arrived = now
        self._started: float | None = None
        self._missing = self.size
        self._rows: Array | None = None

    def gone(self, now: float) -> bool:
        """Whether nothing waits any longer: withdrawn, answered, failed, cancelled or too late."""
        return not self.waiting or self.future.done() or now >= self.deadline

    def take(self, most: int, now: float) -> "BatchSlice":
        """Take the next items, `most` of them at most, for a batch that starts at `now`."""
        if self._started is None:
            self._started = now
        start = self.size - self.waiting
        stop = start + min(most, self.waiting)
        self.waiting = self.size - stop
        return BatchSlice(self, start, stop)

    def fill(self, piece: "BatchSlice", rows: Array, now: float) -> bool:
        """Put the rows of a piece in place; true when that answers the caller."""
        if self.future.done():
            return False
        if piece.size == self.size:
            self._rows = rows
        else:
            if self._rows is None:
                self._rows = np.empty((self.size, *rows.shape[1:]), rows.dtype)
            self._rows[piece.start : piece.stop] = rows
        self._missing -= piece.size
        if self._missing:
            return False
        self.future.set_result(self._outcome(self._rows, now))
        return True

    def expire(self) -> None:
        """Tell the caller that its deadline has passed, if it still waits."""
        self.fail(DeadlinePassed("the deadline passed before the images were made"))

    def close(self) -> None:
        """End the wait: nobody will ask for rows or errors any more."""
        if not self.future.cancel() and not self.future.cancelled():
            self.future.exception()  # marks it as seen

    def fail(self, error: Exception) -> None:
        """Tell the caller, if one still waits."""
        if not self.future.done():
            self.future.set_exception(error)

    def _outcome(self, rows: Array, now: float) -> EntryResult:
        started = self.arrived if self._started is None else self._started
        return EntryResult(rows, started - self.arrived, now - started)


class PartedEntry(Entry):
    """An entry whose caller takes the rows in parts, in order, as batches finish."""

    def __init__(self, arrays: Arrays, deadline: float, now: float) -> None:
        super().__init__(arrays, deadline, now)
        self._stops: dict[int, int] = {}  # by start: filled pieces that rows before are missing of
        self._ready = 0  # rows from the first on
        self._parts: deque[EntryResult] = deque()
        self._changed = asyncio.Event()

    def fill(self, piece: "BatchSlice", rows: Array, now: float) -> bool:
        """As any entry; the pieces of several lanes may come out of order."""
        answered = super().fill(piece, rows, now)
        self._stops[piece.start] = piece.stop
        start = self._ready
        while self._ready in self._stops:
            self._ready = self._stops.pop(self._ready)
        if self._rows is not None and self._ready > start:
            self._parts.append(self._outcome(self._rows[start : self._ready], now))
            self._changed.set()
        return answered

    def fail(self, error: Exception) -> None:
        """Tell the caller, if one still waits."""
        super().fail(error)
        self._changed.set()

    async def part(self) -> EntryResult:
        """The next rows, and the seconds up to them; raises what the entry failed with."""
        while not self._parts:
            if self.future.done():
                self.future.result()
            self._changed.clear()
            await self._changed.wait()
        return self._parts.popleft()


class BatchSlice(NamedTuple):
    """Items `start` … `stop - 1` of an entry, in one batch."""

    entry: Entry
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many items."""
        return self.stop - self.start

    @property
    def is_last(self) -> bool:
        """Whether its entry has no items behind it."""
        return self.stop == self.entry.size


def gather(pieces: list[BatchSlice]) -> Arrays:
    """The arrays of a batch: those of its pieces, one after the other."""
    parts = [[array[p.start : p.stop] for array in p.entry.arrays] for p in pieces]
    if len(parts) == 1:
        return tuple(parts[0])
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


TURNS = 4  # of entries in a batch: so a small one goes whole, and soon, beside large ones


class Queue:
    """Entries in the order in which their turns come. Hold `lock` whenever you call it."""

    def __init__(self, max_batch_size: int) -> None:
        self.lock = threading.Lock()
        self.waiting = 0  # items that no batch has taken yet
        self.closed = False
        self._entries: deque[Entry] = deque()
        self._turn = max_batch_size // TURNS  # items that an entry has in a batch beside others
        self._large = 0  # entries of more than one turn that are not answered

    def __len__(self) -> int:
        """The entries for which there may be something to do."""
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Let an entry wait."""
        self._entries.append(entry)
        self.waiting += entry.size
        self._large += self._is_large(entry)

    def withdraw(self, entry: Entry) -> None:
        """Let nothing of an entry wait any longer."""
        self.waiting -= entry.waiting
        entry.waiting = 0

    def drop(self, pieces: list[BatchSlice]) -> None:
        """Let nothing wait any longer of the entries of a batch that failed."""
        for piece in pieces:
            self.withdraw(piece.entry)

    def leave(self, entry: Entry) -> None:
        """Note that an entry's caller goes, answered or not."""
        self.withdraw(entry)
        self._large -= self._is_large(entry)

    def items_until(self, size: int) -> int:
        """The items that are made until an entry of `size` items that comes now is answered.

        Entries take turns, so each one ahead delays it by its own size or one turn at most.
        """
        if not self._large:  # none is over its turn, so it is all that waits
            return size + self.waiting
        ahead = max(size, self._turn)
        return size + sum(min(entry.waiting, ahead) for entry in self._entries)

    def oldest(self) -> float | None:
        """When the entry came that waits longest."""
        return min((entry.arrived for entry in self._entries if entry.waiting), default=None)

    def form(self, room: int, now: float) -> list[BatchSlice]:
        """Take the next batch, an equal share of each entry in turn; drop the dead ones."""
        alive = (entry for entry in self._entries if not entry.gone(now))
        share = max(1, room // max(1, len(list(islice(alive, TURNS)))))
        pieces = []
        while self._entries:  # but for those that are gone, no further than there is room
            entry = self._entries.popleft()
            if entry.gone(now):
                continue
            if not room:
                self._entries.appendleft(entry)
                break
            piece = entry.take(min(share, room), now)
            if entry.waiting:
                self._entries.append(entry)
            pieces.append(piece)
            room -= piece.size
            self.waiting -= piece.size
        return pieces

    def _is_large(self, entry: Entry) -> bool:
        return entry.size > self._turn
