"""Merges small entries and splits large ones into batches, and runs them on its lanes.

It counts items and knows deadlines; it knows neither images nor HTTP.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from service.cost import Cost
from service.entry import Array, Arrays, Entry, Outcome, PartedEntry, Piece, gather
from service.errors import (
    DeadlinePassed,
    DeadlineUnreachable,
    Draining,
    InternalError,
    QueueFull,
)
from service.linger import Linger

log = logging.getLogger(__name__)

TURNS = 4  # of entries in a batch: so a small one goes whole, and soon, beside large ones
LEAST_LINGER_S = 0.5e-3  # what an event loop's timers can tell from nothing
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
    """One thread, and what it runs."""

    def __init__(self, run: Run, options: BatchOptions) -> None:
        self.run = run
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self.linger = Linger(options.linger_s)
        self.free_at = 0.0
        self.running_since: float | None = None
        self.rested = True


class Batcher:
    """A bounded queue of entries, shared by lanes.

    `observe` is told the items and seconds of every batch. Create, call and close it on one event
    loop.
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
        self._queue: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._lanes = [Lane(run, options) for run in runs]
        self._loop = asyncio.get_running_loop()
        self._drivers = [
            # In a context of its own: what it logs belongs to no single request.
            self._loop.create_task(self._drive(lane), context=Context())
            for lane in self._lanes
        ]
        self.waiting = 0  # items that no batch has taken yet
        self._large = 0  # entries of more than one turn that are not answered

    async def submit(self, arrays: Arrays, deadline: float) -> Outcome:
        """Run items through batches, whatever others are in them.

        `arrays` have one length, the items; `deadline` is in `time.monotonic()` seconds.
        Raises QueueFull, DeadlineUnreachable and Draining at once, DeadlinePassed at the deadline,
        InternalError when a batch with an item of this entry fails.
        """
        entry = Entry(arrays, deadline, time.monotonic())
        with self._queued(entry, deadline):
            return await _in_time(deadline, entry.future)

    async def stream(self, arrays: Arrays, deadline: float) -> AsyncGenerator[Outcome]:
        """As `submit`, but hand the rows out in parts, in order, as batches finish.

        Raises what `submit` raises, for the first part or a later one: items are admitted together.
        """
        entry = PartedEntry(arrays, deadline, time.monotonic())
        with self._queued(entry, deadline):
            missing = entry.size
            while missing:
                part = await _in_time(deadline, entry.part())
                missing -= len(part.rows)
                yield part

    def oldest_s(self) -> float:
        """How long the entry that waits longest has waited; 0 when none waits."""
        now = time.monotonic()
        return max((now - entry.arrived for entry in self._queue if entry.waiting), default=0.0)

    def running_s(self) -> float:
        """How long the batch that began first runs already; 0 when none runs."""
        started = [lane.running_since for lane in self._lanes if lane.running_since is not None]
        return time.monotonic() - min(started) if started else 0.0

    async def close(self) -> None:
        """Take nothing more, finish what is queued, and stop the lanes."""
        self._closed = True
        self._wake.set()
        await asyncio.gather(*self._drivers)
        for lane in self._lanes:
            lane.thread.shutdown(wait=False)

    @contextmanager
    def _queued(self, entry: Entry, deadline: float) -> Iterator[None]:
        """Admit an entry, and let nothing of it wait any longer when its caller goes."""
        self._admit(entry.size, deadline)
        large = entry.size > self._options.max_batch_size // TURNS
        self._queue.append(entry)
        self.waiting += entry.size
        self._large += large
        self._wake.set()
        try:
            yield
        finally:
            self._large -= large
            self.waiting -= entry.waiting
            entry.waiting = 0
            if not entry.future.cancel() and not entry.future.cancelled():
                entry.future.exception()  # marks it as seen

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

    async def _drive(self, lane: Lane) -> None:
        while await self._work_waits(lane):
            await self._let_company_come(lane)
            pieces = self._form()
            if pieces:
                await self._run(lane, pieces)

    async def _work_waits(self, lane: Lane) -> bool:
        """Wait for an entry; false when the batcher is closed and empty."""
        while not self._queue:
            if self._closed:
                return False
            self._wake.clear()
            try:
                async with asyncio.timeout(None if lane.rested else REST_AFTER_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._rest(lane)
        return True

    async def _rest(self, lane: Lane) -> None:
        lane.rested = True
        try:
            await self._loop.run_in_executor(lane.thread, lane.run.rest)
        except Exception:
            log.exception("a lane could not give memory back")

    async def _let_company_come(self, lane: Lane) -> None:
        """Wait for just answered clients while that pays; see `Linger`."""
        target = min(lane.linger.target, self._options.max_batch_size)
        until = lane.linger.until
        if self.waiting >= target or until - time.monotonic() < LEAST_LINGER_S:
            return
        try:
            async with asyncio.timeout(until - time.monotonic()):
                while self.waiting < target and not self._closed:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            lane.linger.waited(came_back=False)
        else:
            lane.linger.waited(came_back=True)

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

    async def _run(self, lane: Lane, pieces: list[Piece]) -> None:
        size = sum(piece.size for piece in pieces)
        lane.rested = False
        started = lane.running_since = time.monotonic()
        lane.free_at = started + self._cost.estimate_s(size)
        try:
            rows = await self._loop.run_in_executor(lane.thread, lane.run, gather(pieces))
            if len(rows) != size:
                raise ValueError(f"a batch of {size} items came back as {len(rows)} rows")
        except Exception:
            log.exception("batch failed items=%d", size)
            for piece in pieces:
                piece.entry.fail(InternalError("the images could not be made"))
            rows = None
        now = lane.free_at = time.monotonic()
        lane.running_since = None
        if rows is None:
            return
        self._cost.learn(size, now - started)
        self._observe(size, now - started)
        answered = _deliver(pieces, rows, now)
        lane.linger.batch_done(
            answered=answered, queued=self.waiting, worth_s=self._cost.fixed_s, now=now
        )


async def _in_time(deadline: float, job: Awaitable[Outcome]) -> Outcome:
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await job
    except TimeoutError:
        raise DeadlinePassed("the deadline passed before the images were made") from None


def _deliver(pieces: list[Piece], rows: Array, now: float) -> int:
    """Give each entry its rows of a batch; returns the items of the entries answered by it."""
    answered = start = 0
    for piece in pieces:
        stop = start + piece.size
        if piece.entry.fill(piece, rows[start:stop], now):
            answered += piece.entry.size
        start = stop
    return answered
