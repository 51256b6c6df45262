"""Runs batches on the event loop."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from mirage.service.batching.batch_runner import RELEASE_AFTER_S, Batch, BatchRunner, Run
from mirage.service.batching.cost_model import CostModel
from mirage.service.batching.queue import MIN_SHARES, Queue

# Longest time that a batch may block the event loop. Chosen well below what a person notices.
MAX_BLOCK_S = 0.03
# Event-loop iterations to yield between two batches. Without them, a coroutine that needs several
# steps would advance one step per batch. Measured on `GET /metrics` under overload: a median of
# 41 ms with five iterations, 103 ms with one.
YIELDS = 5
# Entries, as many as a full batch of the default size answers. Entries rather than items: a single
# large entry takes many batches and should not keep others from being started.
SATURATED_AT = 32
# Smallest batch that must fit into MAX_BLOCK_S. Slower models use a thread: with fewer items per
# batch, the fixed cost of each batch outweighs the hand-over to a thread.
MIN_INLINE_ITEMS = 8


def is_short(cost: CostModel) -> bool:
    """Whether batches of this cost may run on the event loop."""
    return cost.estimate_s(MIN_INLINE_ITEMS) <= MAX_BLOCK_S


class InlineExecutor:
    """Runs queued entries on the event loop after it has read all requests that are ready.

    Calls `done` with each batch. Create, call and close it on one event loop.
    """

    def __init__(
        self,
        run: Run,
        queue: Queue,
        cost: CostModel,
        done: Callable[[Batch], None],
        *,
        max_batch_size: int,
    ) -> None:
        self._queue = queue
        self._cost = cost
        self._done = done
        self._max_batch_size = max_batch_size
        self._loop = asyncio.get_running_loop()
        self._runner = BatchRunner(run)
        self.runners = [self._runner]
        self._scheduled: asyncio.Handle | None = None
        self._seen = 0  # queued work at the last look
        self._left_at: float | None = None  # when the last batch ended, if it left entries queued
        self._release_timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Schedule a batch after an entry was queued."""
        if self._scheduled is None:
            self._seen = 0
            self._scheduled = self._loop.call_soon(self._wait_for_more)

    def busy_s(self) -> float:
        """Return 0: a caller on the event loop implies that no batch runs."""
        return 0.0

    def is_saturated(self) -> bool:
        """Whether several batches of entries are queued."""
        return len(self._queue) >= SATURATED_AT

    async def close(self) -> None:
        """Run what is left in the closed queue and stop."""
        while self._queue:
            self.wake()
            await asyncio.sleep(0)
        for handle in (self._scheduled, self._release_timer):
            if handle is not None:
                handle.cancel()

    def _wait_for_more(self) -> None:
        """Wait while each iteration of the event loop queues more items, until a batch is full."""
        work = self._queue.work
        if self._seen < work < self._next_batch_work():
            self._seen = work
            self._scheduled = self._loop.call_soon(self._wait_for_more)
        else:
            self._run_after(1 if self._left_at is None else YIELDS)

    def _run_after(self, iterations: int) -> None:
        """Run a batch after so many iterations of the event loop."""
        if iterations:
            self._scheduled = self._loop.call_soon(self._run_after, iterations - 1)
            return
        self._scheduled = None
        self._run_batch()
        if self._queue.has_work():
            self.wake()
        elif self._release_timer is None:
            self._release_timer = self._loop.call_later(RELEASE_AFTER_S, self._release_if_idle)

    def _next_batch_work(self) -> int:
        """Return the work that fits into MAX_BLOCK_S."""
        if not self._cost.item_s:
            return self._max_batch_size
        room = (MAX_BLOCK_S - self._cost.fixed_s) / self._cost.item_s
        return min(self._max_batch_size, max(MIN_SHARES, int(room)))

    def _run_batch(self) -> None:
        with self._queue.lock:
            slices = self._queue.take_batch(self._next_batch_work(), time.monotonic())
        if not slices:
            self._left_at = None
            return
        batch = self._runner.run_batch(slices)
        if self._left_at is not None:  # entries were queued all the time: count the gap as well
            batch = replace(batch, cost_s=batch.ended - self._left_at)
        if batch.rows is None:
            with self._queue.lock:
                self._queue.drop(slices)
        self._left_at = batch.ended if self._queue else None
        self._done(batch)

    def _release_if_idle(self) -> None:
        self._release_timer = None
        left_s = self._runner.ended + RELEASE_AFTER_S - time.monotonic()
        if self._queue or left_s > 0:
            self._release_timer = self._loop.call_later(left_s, self._release_if_idle)
        else:
            self._runner.release_memory()
