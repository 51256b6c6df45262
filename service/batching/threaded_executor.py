"""Runs batches on threads, and waits briefly for the next requests of just answered clients."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mirage.service.batching.batch_runner import RELEASE_AFTER_S, Batch, BatchRunner, Run
from mirage.service.batching.cost_model import CostModel
from mirage.service.batching.queue import BatchSlice, Queue

DECAY = 0.9  # weight of earlier waits: an effective window of the last 10
PROBE_EVERY = 32  # batches between two trials of a wait that stopped paying off


class CohortWait:
    """Decides how long to wait for the next requests of clients that were just answered.

    Clients in a loop send their next requests within a short time of each other. Waiting for them
    makes one batch instead of two. `target` is how many items to wait for, `until` how long.
    """

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._success_rate = 1.0  # of recent waits, 0 to 1
        self._batches = 0
        self.target = 0
        self.until = 0.0

    def batch_done(self, *, answered: int, queued: int, saving_s: float, now: float) -> None:
        """Record a batch that ended at `now`; `answered` and `queued` count items.

        `saving_s` is what one batch less saves. Longer waits never pay off.
        """
        self._batches += 1
        self.target = answered + queued
        self.until = now
        if self._success_rate >= 0.5 or self._batches % PROBE_EVERY == 0:
            self.until += min(self._max_wait_s, saving_s)

    def waited(self, *, came_back: bool) -> None:
        """Record whether the clients came back in time."""
        self._success_rate = DECAY * self._success_rate + (1 - DECAY) * came_back


MIN_WAIT_S = 0.5e-3  # shorter waits are within the error of timers
# Added to the niceness of the process. Three steps halve a thread's weight in the scheduler of
# Linux: the event loop goes first, and the engine does not starve.
NICENESS = 3


class ThreadRunner(BatchRunner):
    """A runner on a thread of its own; `free_at` is when its current batch should end."""

    def __init__(self, run: Run, linger_s: float) -> None:
        super().__init__(run)
        self.cohort = CohortWait(linger_s)
        self.free_at = 0.0


class ThreadedExecutor:
    """Runs queued entries on one thread per runner.

    A runner starts its next batch while the event loop still delivers the last one. Calls `done`
    with each batch on the event loop. Create, call and close it there.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        queue: Queue,
        cost: CostModel,
        done: Callable[[Batch], None],
        *,
        max_batch_size: int,
        linger_s: float,
    ) -> None:
        self._queue = queue
        self._cost = cost
        self._done = done
        self._max_batch_size = max_batch_size
        self._loop = asyncio.get_running_loop()
        self._not_empty = threading.Condition(queue.lock)
        self._arrival = threading.Condition(queue.lock)  # signals runners in a cohort wait
        self.runners = [ThreadRunner(run, linger_s) for run in runs]
        self._threads = [
            threading.Thread(target=self._drive, args=(runner,), name=f"runner-{n}", daemon=True)
            for n, runner in enumerate(self.runners)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Notify the runners after an entry was queued. Call it with the queue's lock held."""
        if self._queue.closed:
            self._not_empty.notify_all()
        else:
            self._not_empty.notify()
        self._arrival.notify_all()

    def busy_s(self) -> float:
        """Return the estimated seconds until a runner is free."""
        return max(0.0, min(runner.free_at for runner in self.runners) - time.monotonic())

    def is_saturated(self) -> bool:
        """Return False: queued entries do not block the event loop."""
        return False

    async def close(self) -> None:
        """Run what is left in the closed queue and stop the threads."""
        with self._queue.lock:
            self._not_empty.notify_all()
            self._arrival.notify_all()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in self._threads))

    def _drive(self, runner: ThreadRunner) -> None:
        _lower_priority()
        while self._wait_for_entry(runner):
            self._wait_for_cohort(runner)
            self._run_next(runner)

    def _run_next(self, runner: ThreadRunner) -> None:
        # Not in `_drive`, whose variables would keep the last entries in memory while it waits.
        with self._queue.lock:
            if slices := self._queue.take_batch(self._next_batch_work(), time.monotonic()):
                # Set under the lock: other runners count the free ones in `_next_batch_work`.
                runner.running_since = time.monotonic()
            if self._queue.waiting:
                self._not_empty.notify()
            elif self._queue.closed:
                self._not_empty.notify_all()  # so that all runners stop
        if slices:
            self._run_batch(runner, slices)

    def _wait_for_entry(self, runner: ThreadRunner) -> bool:
        """Wait for an entry; false when the queue is closed and empty."""
        queue = self._queue
        while True:
            with queue.lock:
                timeout = None if runner.has_released else RELEASE_AFTER_S
                if self._not_empty.wait_for(
                    lambda: queue.has_work() or (queue.closed and not queue), timeout
                ):
                    return bool(queue)
            runner.release_memory()

    def _wait_for_cohort(self, runner: ThreadRunner) -> None:
        queue, target = self._queue, min(runner.cohort.target, self._max_batch_size)
        timeout = runner.cohort.until - time.monotonic()
        if queue.waiting >= target or timeout < MIN_WAIT_S:
            return
        with queue.lock:
            came_back = self._arrival.wait_for(
                lambda: queue.waiting >= target or queue.closed, timeout
            )
        runner.cohort.waited(came_back=came_back)

    def _next_batch_work(self) -> int:
        """Return the work of the next batch: what is queued, shared among all free runners."""
        free = sum(runner.running_since is None for runner in self.runners)
        return min(self._max_batch_size, -(-self._queue.work // max(1, free)))

    def _run_batch(self, runner: ThreadRunner, slices: list[BatchSlice]) -> None:
        work = sum(part.size * part.entry.weight for part in slices)
        runner.free_at = time.monotonic() + self._cost.estimate_s(work)
        batch = runner.run_batch(slices)
        runner.free_at = batch.ended
        if batch.rows is None:
            with self._queue.lock:
                self._queue.drop(slices)
        else:
            runner.cohort.batch_done(
                answered=sum(part.entry.size for part in slices if part.is_last),
                queued=self._queue.waiting,
                saving_s=self._cost.fixed_s,
                now=batch.ended,
            )
        self._loop.call_soon_threadsafe(self._done, batch)


def _lower_priority() -> None:
    """Lower the priority of this thread where threads have their own.

    The event loop needs little time, and all runners and clients wait for it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
