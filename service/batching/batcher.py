"""Merges small entries and splits large ones into batches, and runs them on its lanes.

It counts items and their work, and knows deadlines; it knows neither images nor HTTP.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from mirage.service.batching.admission import CostModel, Deadlines
from mirage.service.batching.executor import Batch, InlineExecutor, Run, are_short
from mirage.service.batching.queue import Arrays, Entry, EntryResult, PartedEntry, Queue
from mirage.service.batching.threaded_executor import ThreadedExecutor
from mirage.service.errors import (
    DeadlinePassed,
    DeadlineUnreachable,
    Draining,
    InternalError,
    Overloaded,
)

# More than it seems may be ahead of an entry. Were all admitted that can just be in time, they
# would be a little late under more load than can be answered, and made for nothing.
CAUTION = 0.5
# Of the entries that an idle batcher would reject for their deadlines, every eighth is tried: a
# rejection measures nothing, so without trials a wrong estimate would reject for ever.
TRIAL_EVERY = 8


@dataclass(frozen=True)
class BatchOptions:
    """The largest batch and the longest queue, both in work, and the longest linger.

    The work of an item is 1 unless its entry says otherwise; `unit` is what messages call it.
    `inline` lets a single lane run batches on the event loop while they are short.
    """

    max_batch_size: int
    max_queue_size: int
    linger_s: float
    inline: bool = False
    unit: str = "images"


class Batcher:
    """A bounded queue of entries, and the lanes that batches of them run on.

    `observe` is told the items and seconds of every batch. Create, call and close it on one event
    loop.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        options: BatchOptions,
        cost: CostModel,
        observe: Callable[[int, float], None],
    ) -> None:
        self._options = options
        self._cost = cost
        self._observe = observe
        self._rejected = 0  # for their deadlines, while nothing else ran
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self._queue = queue = Queue(options.max_batch_size)
        self._lanes: ThreadedExecutor | InlineExecutor
        most = options.max_batch_size
        if options.inline and len(runs) == 1 and are_short(cost):
            self._lanes = InlineExecutor(runs[0], queue, cost, self._deliver, most=most)
        else:
            self._lanes = ThreadedExecutor(
                runs, queue, cost, self._deliver, most=most, linger_s=options.linger_s
            )

    @property
    def waiting(self) -> int:
        """The items that no batch has taken yet."""
        return self._queue.waiting

    async def submit(self, arrays: Arrays, deadline: float, weight: int = 1) -> EntryResult:
        """Run items through batches, whatever others are in them.

        `arrays` have one length, the items, each of which is so much work; `deadline` is in
        `time.monotonic()` seconds.
        Raises Overloaded, DeadlineUnreachable and Draining at once, DeadlinePassed at the deadline
        or when it is over already, InternalError when a batch with an item of this entry fails.
        """
        entry = Entry(arrays, deadline, time.monotonic(), weight)
        self._put(entry)
        try:
            return await entry.future
        finally:
            self._leave(entry)

    async def stream(
        self, arrays: Arrays, deadline: float, weight: int = 1, window: int | None = None
    ) -> AsyncGenerator[EntryResult]:
        """As `submit`, but hand the rows out in parts, in order, as batches finish.

        No more than `window` items are made before the caller asks for what follows them.
        Raises what `submit` raises, for the first part or a later one: items are admitted together.
        """
        entry = PartedEntry(arrays, deadline, time.monotonic(), weight, window)
        self._put(entry)
        try:
            missing = entry.size
            while missing:
                part = await entry.part()
                missing -= len(part.rows)
                yield part
                with self._queue.lock:
                    entry.let_go(part)
                    self._lanes.wake()
        finally:
            self._leave(entry)

    def check_room(self, allowed_s: float, work: int = 1) -> None:
        """Raise what `submit` would for so much work, if more than a batch waits already."""
        if self._queue.work >= self._options.max_batch_size and not self._queue.closed:
            with self._queue.lock:
                self._admit(work, time.monotonic() + allowed_s)

    def oldest_s(self) -> float:
        """How long the entry that waits longest has waited; 0 when none waits."""
        now = time.monotonic()
        with self._queue.lock:
            oldest = self._queue.oldest()
        return 0.0 if oldest is None else now - oldest

    def running_s(self) -> float:
        """How long the batch that began first runs already; 0 when none runs."""
        since = [lane.running_since for lane in self._lanes.lanes]  # once: they go on meanwhile
        started = [moment for moment in since if moment is not None]
        return time.monotonic() - min(started) if started else 0.0

    def is_saturated(self) -> bool:
        """Whether more entries wait than are answered in the next turns of the event loop.

        What else it reads meanwhile would only wait. On threads there is never too much.
        """
        return self._lanes.is_saturated()

    async def close(self) -> None:
        """Take nothing more, finish what is queued, and stop the lanes."""
        with self._queue.lock:
            self._queue.closed = True
        await self._lanes.close()
        self._deadlines.close()

    def _put(self, entry: Entry) -> None:
        """Admit an entry to the queue."""
        with self._queue.lock:
            self._admit(entry.work, entry.deadline)
            self._queue.append(entry)
            self._lanes.wake()
        self._deadlines.watch(entry)

    def _leave(self, entry: Entry) -> None:
        """Let nothing of an entry wait any longer: its caller goes."""
        self._deadlines.forget(entry)
        with self._queue.lock:
            was_paused = entry.is_paused
            self._queue.leave(entry)
            if was_paused:  # it is still in the queue, which drops it when it forms a batch
                self._lanes.wake()
        entry.close()

    def _admit(self, work: int, deadline: float) -> None:
        if self._queue.closed:
            raise Draining("the service is stopping", retry_after_s=1)
        if deadline <= time.monotonic():
            raise DeadlinePassed("the deadline passed before the images were queued")
        waiting, most, unit = self._queue.work, self._options.max_queue_size, self._options.unit
        if waiting + work > most:
            raise Overloaded(
                f"{waiting} {unit} wait already and {work} more would be over the limit of {most}",
                retry_after_s=self._expected_s(max(1, waiting)),
            )
        expected_s = self._expected_s(work)
        ahead_s = max(0.0, expected_s - self._cost.estimate_s(work))
        late_s = time.monotonic() + expected_s + CAUTION * ahead_s - deadline
        if late_s > 0 and not self._is_trial():
            raise DeadlineUnreachable(
                f"the images would be about {1000 * late_s:.0f} ms late; allow more time or"
                " ask for fewer",
                retry_after_s=late_s,
            )

    def _is_trial(self) -> bool:
        """Whether to admit an entry although it seems to be late, to measure what it costs."""
        if self._queue.waiting or self.running_s():
            return False  # a batch soon tells what is true
        self._rejected += 1
        return self._rejected % TRIAL_EVERY == 0

    def _expected_s(self, work: int) -> float:
        """The seconds until an entry of so much work that arrives now is answered."""
        most, busy_s = self._options.max_batch_size, self._lanes.busy_s()
        until = self._queue.work_until(work)
        batches = -(-until // most)
        if busy_s or self._queue.waiting:  # until its last batch begins, others come that join it
            until = batches * most
        at_once = min(batches, len(self._lanes.lanes))
        return busy_s + self._cost.estimate_s(until, batches) / at_once

    def _deliver(self, batch: Batch) -> None:
        """On the event loop: give each entry its rows of a batch, or its error, and learn."""
        if batch.rows is None:
            for piece in batch.pieces:
                piece.entry.fail(InternalError("the images could not be made"))
            return
        self._cost.learn(batch.work, batch.cost_s)
        self._observe(batch.size, batch.seconds)
        start = 0
        for piece in batch.pieces:
            piece.entry.fill(piece, batch.rows[start : start + piece.size], batch.ended)
            start += piece.size
