"""Merges small entries and splits large ones into batches, and runs them on its lanes.

It counts items and knows deadlines; it knows neither images nor HTTP.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from service.cost import Cost
from service.entry import Array, Arrays, Entry, Outcome, PartedEntry, Piece, gather
from service.errors import (
    DeadlineUnreachable,
    Draining,
    InternalError,
    QueueFull,
)
from service.linger import Linger

log = logging.getLogger(__name__)

TURNS = 4  # of entries in a batch: so a small one goes whole, and soon, beside large ones
LEAST_LINGER_S = 0.5e-3  # what timers can tell from nothing
LANE_NICENESS = 3  # more than the process has: half the weight of what answers, so neither starves
REST_AFTER_S = 5.0  # without work, after which a lane gives memory back


class Run(Protocol):
    """What a lane runs, on its own thread only."""

    def __call__(self, arrays: Arrays) -> Array:
        """Arrays of n items → n rows."""

    def rest(self) -> None:
        """Give back what only work needs."""


@dataclass(frozen=True)
class BatchOptions:
    """The largest batch and the longest queue, both in items, and the longest linger."""

    max_batch_size: int
    max_queue_size: int
    linger_s: float


class Lane:
    """What one thread runs, batch after batch."""

    def __init__(self, run: Run, options: BatchOptions) -> None:
        self.run = run
        self.linger = Linger(options.linger_s)
        self.free_at = 0.0
        self.running_since: float | None = None
        self.rested = True


class Batcher:
    """A bounded queue of entries, from which lanes take batches by themselves.

    A lane goes on with its next batch while the event loop hands out the one before. `observe` is
    told the items and seconds of every batch. Create, call and close it on one event loop.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        options: BatchOptions,
        cost: Cost,
        observe: Callable[[int, float], None],
    ) -> None:
        self._options = options
        self._cost = cost
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # guards what follows
        self._work = threading.Condition(self._lock)  # what idle lanes wait for
        self._company = threading.Condition(self._lock)  # what lingering lanes wait for
        self._queue: deque[Entry] = deque()
        self.waiting = 0  # items that no batch has taken yet
        self._large = 0  # entries of more than one turn that are not answered
        self._closed = False
        self._lanes = [Lane(run, options) for run in runs]
        self._threads = [
            threading.Thread(target=self._drive, args=(lane,), name=f"lane-{number}", daemon=True)
            for number, lane in enumerate(self._lanes)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, arrays: Arrays, deadline: float) -> Outcome:
        """Run items through batches, whatever others are in them.

        `arrays` have one length, the items; `deadline` is in `time.monotonic()` seconds.
        Raises QueueFull, DeadlineUnreachable and Draining at once, DeadlinePassed at the deadline,
        InternalError when a batch with an item of this entry fails.
        """
        entry = Entry(arrays, deadline, time.monotonic())
        timer = self._put(entry)
        try:
            return await entry.future
        finally:
            self._leave(entry, timer)

    async def stream(self, arrays: Arrays, deadline: float) -> AsyncGenerator[Outcome]:
        """As `submit`, but hand the rows out in parts, in order, as batches finish.

        Raises what `submit` raises, for the first part or a later one: items are admitted together.
        """
        entry = PartedEntry(arrays, deadline, time.monotonic())
        timer = self._put(entry)
        try:
            missing = entry.size
            while missing:
                part = await entry.part()
                missing -= len(part.rows)
                yield part
        finally:
            self._leave(entry, timer)

    def oldest_s(self) -> float:
        """How long the entry that waits longest has waited; 0 when none waits."""
        now = time.monotonic()
        with self._lock:
            return max((now - entry.arrived for entry in self._queue if entry.waiting), default=0.0)

    def running_s(self) -> float:
        """How long the batch that began first runs already; 0 when none runs."""
        since = [lane.running_since for lane in self._lanes]  # once, for lanes go on meanwhile
        started = [moment for moment in since if moment is not None]
        return time.monotonic() - min(started) if started else 0.0

    async def close(self) -> None:
        """Take nothing more, finish what is queued, and stop the lanes."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._company.notify_all()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in self._threads))

    def _put(self, entry: Entry) -> asyncio.TimerHandle:
        """Admit an entry to the queue; answers the timer of its deadline."""
        with self._lock:
            self._admit(entry.size, entry.deadline)
            self._queue.append(entry)
            self.waiting += entry.size
            self._large += self._is_large(entry)
            self._work.notify()
            self._company.notify_all()
        return self._loop.call_later(entry.deadline - time.monotonic(), entry.expire)

    def _leave(self, entry: Entry, timer: asyncio.TimerHandle) -> None:
        """Let nothing of an entry wait any longer: its caller goes."""
        timer.cancel()
        if entry.waiting:
            with self._lock:
                self._withdraw(entry)
        self._large -= self._is_large(entry)
        entry.close()

    def _withdraw(self, entry: Entry) -> None:
        self.waiting -= entry.waiting
        entry.waiting = 0

    def _is_large(self, entry: Entry) -> bool:
        return entry.size > self._options.max_batch_size // TURNS

    def _admit(self, size: int, deadline: float) -> None:
        if self._closed:
            raise Draining("the service is stopping", retry_after_s=1)
        most = self._options.max_queue_size
        if self.waiting + size > most:
            raise QueueFull(
                f"{self.waiting} images wait already and {size} more would be over the limit"
                f" of {most}",
                retry_after_s=self._expected_s(max(1, self.waiting)),
            )
        late_s = time.monotonic() + self._expected_s(size) - deadline
        if late_s > 0:
            self._cost.fade()
            raise DeadlineUnreachable(
                f"the images would be about {1000 * late_s:.0f} ms late; allow more time or"
                " ask for fewer",
                retry_after_s=late_s,
            )

    def _expected_s(self, size: int) -> float:
        """The seconds until an entry of `size` items that arrives now is answered.

        Entries take turns, so each one ahead delays it by its own size or one turn at most.
        """
        most = self._options.max_batch_size
        ahead = max(size, most // TURNS)
        items = size + self.waiting
        if self._large:  # else none is over its turn, and the sum below is all that waits
            items = size + sum(min(entry.waiting, ahead) for entry in self._queue)
        batches = -(-items // most)
        busy_s = max(0.0, min(lane.free_at for lane in self._lanes) - time.monotonic())
        return busy_s + self._cost.estimate_s(items, batches) / min(batches, len(self._lanes))

    def _drive(self, lane: Lane) -> None:
        """The life of a lane's thread."""
        _step_back()
        while self._work_waits(lane):
            self._let_company_come(lane)
            with self._lock:
                if pieces := self._form():
                    lane.rested = False
                    lane.running_since = time.monotonic()
                if self.waiting:
                    self._work.notify()  # what is left is for another lane
            if pieces:
                self._run(lane, pieces)

    def _work_waits(self, lane: Lane) -> bool:
        """Wait for an entry; false when the batcher is closed and empty."""
        while True:
            with self._lock:
                patience = None if lane.rested else REST_AFTER_S
                if self._work.wait_for(lambda: self._queue or self._closed, patience):
                    return bool(self._queue)
            self._rest(lane)

    def _rest(self, lane: Lane) -> None:
        lane.rested = True
        try:
            lane.run.rest()
        except Exception:
            log.exception("a lane could not give memory back")

    def _let_company_come(self, lane: Lane) -> None:
        """Wait for just answered clients while that pays; see `Linger`."""
        target = min(lane.linger.target, self._options.max_batch_size)
        patience = lane.linger.until - time.monotonic()
        if self.waiting >= target or patience < LEAST_LINGER_S:
            return
        with self._lock:
            came_back = self._company.wait_for(
                lambda: self.waiting >= target or self._closed, patience
            )
        lane.linger.waited(came_back=came_back)

    def _form(self) -> list[Piece]:
        """Take the next batch, an equal share of each entry in turn; drop the dead ones."""
        now = time.monotonic()
        self._queue = deque(entry for entry in self._queue if not entry.gone(now))
        room = self._room()
        share = max(1, room // max(1, min(len(self._queue), TURNS)))
        pieces = []
        while room and self._queue:
            entry = self._queue.popleft()
            piece = entry.take(min(share, room), now)
            if entry.waiting:
                self._queue.append(entry)
            pieces.append(piece)
            room -= piece.size
            self.waiting -= piece.size
        return pieces

    def _room(self) -> int:
        """The items of the next batch: all that wait, shared with the lanes that are free too."""
        free = sum(lane.running_since is None for lane in self._lanes)
        return min(self._options.max_batch_size, -(-self.waiting // max(1, free)))

    def _run(self, lane: Lane, pieces: list[Piece]) -> None:
        size = sum(piece.size for piece in pieces)
        started = time.monotonic()
        lane.free_at = started + self._cost.estimate_s(size)
        try:
            rows = lane.run(gather(pieces))
            if len(rows) != size:
                raise ValueError(f"a batch of {size} items came back as {len(rows)} rows")
        except Exception:
            log.exception("batch failed items=%d", size)
            rows = None
            with self._lock:
                for piece in pieces:
                    self._withdraw(piece.entry)
        now = lane.free_at = time.monotonic()
        lane.running_since = None
        if rows is not None:
            lane.linger.batch_done(
                answered=sum(piece.entry.size for piece in pieces if piece.is_last),
                queued=self.waiting,
                worth_s=self._cost.fixed_s,
                now=now,
            )
        self._loop.call_soon_threadsafe(self._deliver, pieces, rows, size, started, now)

    def _deliver(
        self, pieces: list[Piece], rows: Array | None, size: int, started: float, now: float
    ) -> None:
        """On the event loop: give each entry its rows of a batch, or its error, and learn."""
        if rows is None:
            for piece in pieces:
                piece.entry.fail(InternalError("the images could not be made"))
            return
        self._cost.learn(size, now - started)
        self._observe(size, now - started)
        start = 0
        for piece in pieces:
            piece.entry.fill(piece, rows[start : start + piece.size], now)
            start += piece.size


def _step_back() -> None:
    """Let the event loop go first where threads have a priority of their own.

    It needs little time, and all lanes and clients wait for it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + LANE_NICENESS
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
