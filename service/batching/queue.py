"""Entries that wait for a batch, in a queue that counts their items and their work."""

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
    """Rows of one shape: an array, or what makes rows of it when a batch takes them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, then the shape of each."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, rows: slice, /) -> Array:
        """Those rows as an array."""


Arrays = tuple[Items, ...]  # of one length: the items
Batchable = tuple[Array, ...]  # the same, of a batch


class EntryResult(NamedTuple):
    """The rows of an entry, in order, and its seconds in the queue and in batches."""

    rows: Array
    queue_s: float
    run_s: float


class Entry:
    """Items that one caller waits for; they may go through several batches.

    A batch holds entries of equal `shapes`. `weight` is the work of one item.
    """

    def __init__(self, arrays: Arrays, deadline: float, now: float, weight: int = 1) -> None:
        self.arrays = arrays
        self.shapes = tuple(array.shape[1:] for array in arrays)
        self.weight = weight
        self.size = len(arrays[0])
        self.waiting = self.size  # items that no batch has taken yet
        self.future: asyncio.Future[EntryResult] = asyncio.get_running_loop().create_future()
        self.deadline = deadline
        self.arrived = now
        self._started: float | None = None
        self._missing = self.size
        self._rows: Array | None = None

    @property
    def work(self) -> int:
        """The work that no batch has taken yet."""
        return self.waiting * self.weight

    @property
    def is_paused(self) -> bool:
        """Whether no batch may take more of it for now."""
        return False

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
    """An entry whose caller takes the rows in parts, in order, as batches finish.

    `window` is how many items batches may take that the caller has not had yet; None for all.
    """

    def __init__(
        self,
        arrays: Arrays,
        deadline: float,
        now: float,
        weight: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(arrays, deadline, now, weight)
        self._window = self.size if window is None else window
        self._had = 0  # items of parts that the caller is done with
        self._finished: dict[int, EntryResult] = {}  # parts by the number of their first row
        self._next = 0  # the first row of the next part
        self._changed = asyncio.Event()

    @property
    def is_paused(self) -> bool:
        """Whether batches have taken as much as the window allows."""
        return self.waiting > 0 and self._room <= 0

    @property
    def _room(self) -> int:
        return self._window - (self.size - self.waiting - self._had)

    def take(self, most: int, now: float) -> "BatchSlice":
        """As any entry, but no more than the window allows."""
        return super().take(min(most, self._room), now)

    def fill(self, piece: "BatchSlice", rows: Array, now: float) -> bool:
        """As any entry; the pieces of several lanes may come out of order."""
        if self.future.done():
            return False
        self._missing -= piece.size
        self._finished[piece.start] = result = self._outcome(rows, now)
        self._changed.set()
        if not self._missing:
            self.future.set_result(result)
        return not self._missing

    def fail(self, error: Exception) -> None:
        """Tell the caller, if one still waits."""
        super().fail(error)
        self._changed.set()

    async def part(self) -> EntryResult:
        """The next rows, and the seconds up to them; raises what the entry failed with."""
        while (part := self._finished.pop(self._next, None)) is None:
            if self.future.done():
                self.future.result()
            self._changed.clear()
            await self._changed.wait()
        self._next += len(part.rows)
        return part

    def let_go(self, part: EntryResult) -> None:
        """Note that the caller is done with a part; hold the queue's lock."""
        self._had += len(part.rows)


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


def gather(pieces: list[BatchSlice]) -> Batchable:
    """The arrays of a batch: those of its pieces, one after the other."""
    parts = [[array[p.start : p.stop] for array in p.entry.arrays] for p in pieces]
    if len(parts) == 1:
        return tuple(parts[0])
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


TURNS = 4  # of entries in a batch: so a small one goes whole, and soon, beside large ones


class Queue:
    """Entries in the order in which their turns come. Hold `lock` whenever you call it.

    `most_work` is that of the largest batch.
    """

    def __init__(self, most_work: int) -> None:
        self.lock = threading.Lock()
        self.waiting = 0  # items that no batch has taken yet
        self.work = 0  # theirs
        self.closed = False
        self._entries: deque[Entry] = deque()
        self._turn = most_work // TURNS  # the work that an entry has in a batch beside others
        self._large = 0  # entries of more than one turn that are not answered

    def __len__(self) -> int:
        """The entries for which there may be something to do."""
        return len(self._entries)

    def has_work(self) -> bool:
        """Whether there is something to do now."""
        return any(not entry.is_paused for entry in self._entries)

    def append(self, entry: Entry) -> None:
        """Let an entry wait."""
        self._entries.append(entry)
        self.waiting += entry.size
        self.work += entry.work
        self._large += self._is_large(entry)

    def withdraw(self, entry: Entry) -> None:
        """Let nothing of an entry wait any longer."""
        self.waiting -= entry.waiting
        self.work -= entry.work
        entry.waiting = 0

    def drop(self, pieces: list[BatchSlice]) -> None:
        """Let nothing wait any longer of the entries of a batch that failed."""
        for piece in pieces:
            self.withdraw(piece.entry)

    def leave(self, entry: Entry) -> None:
        """Note that an entry's caller goes, answered or not."""
        self.withdraw(entry)
        self._large -= self._is_large(entry)

    def work_until(self, work: int) -> int:
        """The work that is done until an entry of so much work that comes now is answered.

        Entries take turns, so each one ahead delays it by its own work or one turn at most.
        """
        if not self._large:  # none is over its turn, so it is all that waits
            return work + self.work
        ahead = max(work, self._turn)
        return work + sum(min(entry.work, ahead) for entry in self._entries)

    def oldest(self) -> float | None:
        """When the entry came that waits longest."""
        return min((entry.arrived for entry in self._entries if entry.waiting), default=None)

    def form(self, room: int, now: float) -> list[BatchSlice]:
        """Take the next batch, an equal share of each entry in turn; drop the dead ones.

        `room` is in work. A single item may have more than that. All items have the shapes of the
        entry whose turn it is; entries of other shapes keep their turns.
        """
        share = room // max(1, self._peers(now))
        pieces: list[BatchSlice] = []
        kept: list[Entry] = []  # that have no part in this batch
        while self._entries:  # but for those that are gone, no further than there is room
            entry = self._entries.popleft()
            if entry.gone(now):
                continue
            if entry.is_paused or (pieces and entry.shapes != pieces[0].entry.shapes):
                kept.append(entry)
                continue
            items = min(max(share, entry.weight), room) // entry.weight
            if not pieces and room:
                items = max(1, items)
            if not items:
                self._entries.appendleft(entry)
                break
            piece = entry.take(items, now)
            if entry.waiting:
                self._entries.append(entry)
            pieces.append(piece)
            room -= piece.size * entry.weight
            self.waiting -= piece.size
            self.work -= piece.size * entry.weight
        self._entries.extendleft(reversed(kept))
        return pieces

    def _peers(self, now: float) -> int:
        """The entries that share the next batch, as far as they matter: `TURNS` at most."""
        alive = (each for each in self._entries if not (each.is_paused or each.gone(now)))
        if (first := next(alive, None)) is None:
            return 0
        peers = (each for each in alive if each.shapes == first.shapes)
        return 1 + len(list(islice(peers, TURNS - 1)))

    def _is_large(self, entry: Entry) -> bool:
        return entry.size * entry.weight > self._turn
