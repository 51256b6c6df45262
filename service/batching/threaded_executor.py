"""Runs batches on threads of their own, and waits a moment for clients that were just answered."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mirage.service.batching.admission import CostModel
from mirage.service.batching.executor import REST_AFTER_S, Batch, BatchRunner, Run
from mirage.service.batching.queue import BatchSlice, Queue

MEMORY = 0.9
PROBE_EVERY = 32  # batches; how often a habit that was given up is tried again


class CohortWait:
    """Remembers how many were answered, and whether such clients use to come back in time."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._returning = 1.0  # 0 … 1, how often waiting paid lately
        self._batches = 0
        self.target = 0
        self.until = 0.0

    def batch_done(self, *, answered: int, queued: int, worth_s: float, now: float) -> None:
        """Note a finished batch, in items, at `now` in seconds.

        `worth_s` is what one batch less would save: waiting longer than that never pays.
        """
        self._batches += 1
        self.target = answered + queued
        self.until = now
        if self._returning >= 0.5 or self._batches % PROBE_EVERY == 0:
            self.until += min(self._longest_s, worth_s)

    def waited(self, *, came_back: bool) -> None:
        """Learn whether the wait was worth it."""
        self._returning = MEMORY * self._returning + (1 - MEMORY) * came_back


LEAST_LINGER_S = 0.5e-3  # what timers can tell from nothing
NICENESS = 3  # more than the process has: half the weight of what answers, so neither starves


class ThreadLane(BatchRunner):
    """A lane that may wait a little for company before it takes a batch."""

    def __init__(self, run: Run, linger_s: float) -> None:
        super().__init__(run)
        self.linger = CohortWait(linger_s)
        self.free_at = 0.0


class ThreadedExecutor:
    """Runs what waits in a queue; a lane goes on while the event loop hands out its last batch.

    `done` is told each batch, on the event loop. Create, call and close it on that.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        queue: Queue,
        cost: CostModel,
        done: Callable[[Batch], None],
        *,
        most: int,
        linger_s: float,
    ) -> None:
        self._queue = queue
        self._cost = cost
        self._done = done
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._work = threading.Condition(queue.lock)  # what idle lanes wait for
        self._company = threading.Condition(queue.lock)  # what lingering lanes wait for
        self.lanes = [ThreadLane(run, linger_s) for run in runs]
        self._threads = [
            threading.Thread(target=self._drive, args=(lane,), name=f"lane-{number}", daemon=True)
            for number, lane in enumerate(self.lanes)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look at the queue, whose lock is held: something has come."""
        if self._queue.closed:
            self._work.notify_all()
        else:
            self._work.notify()
        self._company.notify_all()

    def busy_s(self) -> float:
        """The seconds until a lane is free, as far as can be told."""
        return max(0.0, min(lane.free_at for lane in self.lanes) - time.monotonic())

    def is_saturated(self) -> bool:
        """Never: what waits does not hold the event loop up."""
        return False

    async def close(self) -> None:
        """Stop when the queue, which is closed, is empty."""
        with self._queue.lock:
            self._work.notify_all()
            self._company.notify_all()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in self._threads))

    def _drive(self, lane: ThreadLane) -> None:
        """The life of a lane's thread."""
        _step_back()
        while self._work_waits(lane):
            self._let_company_come(lane)
            with self._queue.lock:
                if pieces := self._queue.form(self._room(), time.monotonic()):
                    lane.running_since = time.monotonic()  # now, for others count those that run
                if self._queue.waiting:
                    self._work.notify()  # what is left is for another lane
                elif self._queue.closed:
                    self._work.notify_all()  # nothing is left for any
            if pieces:
                self._work_off(lane, pieces)

    def _work_waits(self, lane: ThreadLane) -> bool:
        """Wait for an entry; false when the queue is closed and empty."""
        queue = self._queue
        while True:
            with queue.lock:
                patience = None if lane.rested else REST_AFTER_S
                if self._work.wait_for(
                    lambda: queue.has_work() or (queue.closed and not queue), patience
                ):
                    return bool(queue)
            lane.rest()

    def _let_company_come(self, lane: ThreadLane) -> None:
        """Wait for just answered clients while that pays; see `CohortWait`."""
        queue, target = self._queue, min(lane.linger.target, self._most)
        patience = lane.linger.until - time.monotonic()
        if queue.waiting >= target or patience < LEAST_LINGER_S:
            return
        with queue.lock:
            came_back = self._company.wait_for(
                lambda: queue.waiting >= target or queue.closed, patience
            )
        lane.linger.waited(came_back=came_back)

    def _room(self) -> int:
        """The work of the next batch: all that waits, shared with the lanes that are free too."""
        free = sum(lane.running_since is None for lane in self.lanes)
        return min(self._most, -(-self._queue.work // max(1, free)))

    def _work_off(self, lane: ThreadLane, pieces: list[BatchSlice]) -> None:
        work = sum(piece.size * piece.entry.weight for piece in pieces)
        lane.free_at = time.monotonic() + self._cost.estimate_s(work)
        batch = lane.work_off(pieces)
        lane.free_at = batch.ended
        if batch.rows is None:
            with self._queue.lock:
                self._queue.drop(pieces)
        else:
            lane.linger.batch_done(
                answered=sum(piece.entry.size for piece in pieces if piece.is_last),
                queued=self._queue.waiting,
                worth_s=self._cost.fixed_s,
                now=batch.ended,
            )
        self._loop.call_soon_threadsafe(self._done, batch)


def _step_back() -> None:
    """Let the event loop go first where threads have a priority of their own.

    It needs little time, and all lanes and clients wait for it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
