"""The batcher: merges small entries and splits large ones into batches."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from mirage.service.batching.batch_runner import Batch, Run
from mirage.service.batching.cost_model import CostModel
from mirage.service.batching.deadlines import Deadlines
from mirage.service.batching.inline_executor import InlineExecutor, is_short
from mirage.service.batching.queue import Entry, EntryResult, Inputs, Queue, StreamedEntry
from mirage.service.batching.threaded_executor import ThreadedExecutor
from mirage.service.errors import (
    DeadlinePassed,
    DeadlineUnreachable,
    Draining,
    InternalError,
    Overloaded,
)

# Safety margin on the estimated wait. Without it, requests admitted with no slack miss their
# deadline under sustained overload. Measured with 256x256 images, a deadline of 1 s and twice the
# sustainable load: 220 of the possible 250 images per second were made, and none was late.
WAIT_MARGIN = 0.5
# An idle batcher admits every eighth entry that it expects to be late. Rejected entries yield no
# measurement, so without trials a wrong estimate would reject for ever.
TRIAL_EVERY = 8


@dataclass(frozen=True)
class BatchOptions:
    """Limits of a batcher.

    `max_batch_size` and `max_queue_size` count work, which is 1 per item unless an entry has
    another weight; `unit` names it in messages. `linger_s` bounds the wait for just answered
    clients. `inline` lets a single runner run short batches on the event loop.
    """

    max_batch_size: int
    max_queue_size: int
    linger_s: float
    inline: bool = False
    unit: str = "images"


class Batcher:
    """A bounded queue of entries and the executor that runs batches of them.

    Calls `observe(items, seconds)` after every batch. Create, call and close it on one event loop.
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
        self._late_when_idle = 0  # entries expected to be late that arrived while nothing ran
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self._queue = queue = Queue(options.max_batch_size)
        self._executor: ThreadedExecutor | InlineExecutor
        max_size = options.max_batch_size
        if options.inline and len(runs) == 1 and is_short(cost):
            self._executor = InlineExecutor(
                runs[0], queue, cost, self._deliver, max_batch_size=max_size
            )
        else:
            self._executor = ThreadedExecutor(
                runs, queue, cost, self._deliver, max_batch_size=max_size, linger_s=options.linger_s
            )

    @property
    def waiting(self) -> int:
        """Number of items that are in no batch yet."""
        return self._queue.waiting

    async def submit(self, arrays: Inputs, deadline: float, weight: int = 1) -> EntryResult:
        """Run items through one or more batches and return their rows.

        All `arrays` have the same length, the number of items. `deadline` is in
        `time.monotonic()` seconds, and `weight` is the work of one item. Raises Overloaded,
        DeadlineUnreachable or Draining at once, DeadlinePassed at the deadline, and InternalError
        if a batch with one of the items fails.
        """
        entry = Entry(arrays, deadline, time.monotonic(), weight)
        self._put(entry)
        try:
            return await entry.future
        finally:
            self._leave(entry)

    async def stream(
        self, arrays: Inputs, deadline: float, weight: int = 1, window: int | None = None
    ) -> AsyncGenerator[EntryResult]:
        """Like `submit`, but yield the rows in order as batches finish.

        All items are admitted together; at most `window` of them run ahead of the caller. Raises
        the same errors, before or between parts.
        """
        entry = StreamedEntry(arrays, deadline, time.monotonic(), weight, window)
        self._put(entry)
        try:
            missing = entry.size
            while missing:
                part = await entry.part()
                missing -= len(part.rows)
                yield part
                with self._queue.lock:
                    entry.consume(part)
                    self._executor.wake()
        finally:
            self._leave(entry)

    def check_room(self, allowed_s: float, work: int = 1) -> None:
        """Raise the error of `submit` for so much work if a full batch is queued already."""
        if self._queue.work >= self._options.max_batch_size and not self._queue.closed:
            with self._queue.lock:
                self._admit(work, time.monotonic() + allowed_s)

    def check_deadline(self, deadline: float, work: int) -> None:
        """Raise DeadlineUnreachable if so much work, in any number of entries, would be late."""
        with self._queue.lock:
            self._check_deadline(work, deadline)

    def oldest_s(self) -> float:
        """Return the age in seconds of the oldest queued entry; 0 if the queue is empty."""
        now = time.monotonic()
        with self._queue.lock:
            oldest = self._queue.oldest()
        return 0.0 if oldest is None else now - oldest

    def running_s(self) -> float:
        """Return how long the longest running batch has been running; 0 if none runs."""
        # Read each value once: the threads change them meanwhile.
        since = [runner.running_since for runner in self._executor.runners]
        started = [moment for moment in since if moment is not None]
        return time.monotonic() - min(started) if started else 0.0

    def is_saturated(self) -> bool:
        """Whether the queue holds more entries than the next iterations of the event loop answer.

        More requests should not be started meanwhile. Always false with threads.
        """
        return self._executor.is_saturated()

    async def close(self) -> None:
        """Admit nothing more, finish the queued entries, and stop the executor."""
        with self._queue.lock:
            self._queue.closed = True
        await self._executor.close()
        self._deadlines.close()

    def _put(self, entry: Entry) -> None:
        with self._queue.lock:
            self._admit(entry.work, entry.deadline)
            self._queue.append(entry)
            self._executor.wake()
        self._deadlines.watch(entry)

    def _leave(self, entry: Entry) -> None:
        self._deadlines.forget(entry)
        with self._queue.lock:
            was_paused = entry.is_paused
            self._queue.leave(entry)
            if was_paused:  # no runner waits for it: let one remove it
                self._executor.wake()
        entry.close()

    def _admit(self, work: int, deadline: float) -> None:
        if self._queue.closed:
            raise Draining("the service is stopping", retry_after_s=1)
        if deadline <= time.monotonic():
            raise DeadlinePassed("the deadline passed before the images were queued")
        waiting, limit, unit = self._queue.work, self._options.max_queue_size, self._options.unit
        if waiting + work > limit:
            raise Overloaded(
                f"{waiting} {unit} are queued already and {work} more would exceed the limit"
                f" of {limit}",
                retry_after_s=self._expected_s(max(1, waiting)),
            )
        self._check_deadline(work, deadline)

    def _check_deadline(self, work: int, deadline: float) -> None:
        expected_s = self._expected_s(work)
        wait_s = max(0.0, expected_s - self._cost.estimate_s(work))
        late_s = time.monotonic() + expected_s + WAIT_MARGIN * wait_s - deadline
        if late_s > 0 and not self._is_trial():
            raise DeadlineUnreachable(
                f"the images would be about {1000 * late_s:.0f} ms late; allow more time or"
                " ask for fewer",
                retry_after_s=late_s,
            )

    def _is_trial(self) -> bool:
        """Whether to admit an entry that is expected to be late, to measure a batch."""
        if self._queue.waiting or self.running_s():
            return False  # the next batch yields a measurement anyway
        self._late_when_idle += 1
        return self._late_when_idle % TRIAL_EVERY == 0

    def _expected_s(self, work: int) -> float:
        """Return the estimated seconds until a new entry of so much work is answered."""
        max_size, busy_s = self._options.max_batch_size, self._executor.busy_s()
        until = self._queue.work_until(work)
        batches = -(-until // max_size)
        if busy_s or self._queue.waiting:  # later entries will fill its batches
            until = batches * max_size
        parallel = min(batches, len(self._executor.runners))
        return busy_s + self._cost.estimate_s(until, batches) / parallel

    def _deliver(self, batch: Batch) -> None:
        """Give each entry its rows of a batch, or an error, and update the cost model."""
        if batch.rows is None:
            for part in batch.slices:
                part.entry.fail(InternalError("the images could not be made"))
            return
        self._cost.learn(batch.work, batch.cost_s)
        self._observe(batch.size, batch.seconds)
        start = 0
        for part in batch.slices:
            part.entry.fill(part, batch.rows[start : start + part.size], batch.ended)
            start += part.size
