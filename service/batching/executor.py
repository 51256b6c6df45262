"""Runs batches one after the other on the event loop."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from mirage.service.batching.admission import CostModel
from mirage.service.batching.queue import TURNS, Array, Batchable, BatchSlice, Queue, gather

log = logging.getLogger(__name__)

REST_AFTER_S = 5.0  # without work, after which a lane gives memory back


class Run(Protocol):
    """What a lane runs, never twice at once."""

    def __call__(self, arrays: Batchable) -> Array:
        """Arrays of n items → n rows."""

    def rest(self) -> None:
        """Give back what only work needs."""


@dataclass(frozen=True)
class Batch:
    """A batch that was run: its pieces, their rows, or None if it failed, and when that was.

    `cost_s` are the seconds by which it put the next one off.
    """

    pieces: list[BatchSlice]
    rows: Array | None
    started: float
    ended: float
    cost_s: float

    @property
    def size(self) -> int:
        """How many items."""
        return sum(piece.size for piece in self.pieces)

    @property
    def work(self) -> int:
        """How much work they are."""
        return sum(piece.size * piece.entry.weight for piece in self.pieces)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


class BatchRunner:
    """One line of batches; `running_since` is when the present one began, by the clock."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.running_since: float | None = None
        self.ended = 0.0  # the last batch
        self.rested = True

    def work_off(self, pieces: list[BatchSlice]) -> Batch:
        """Run a batch; what it fails with is in the log."""
        self.rested = False
        started = self.running_since = time.monotonic()
        size = sum(piece.size for piece in pieces)
        rows: Array | None = None
        try:
            rows = self._run(gather(pieces))
            if len(rows) != size:
                raise ValueError(f"a batch of {size} items came back as {len(rows)} rows")
        except Exception:
            log.exception("batch failed items=%d", size)
            rows = None
        self.ended = time.monotonic()
        self.running_since = None
        return Batch(pieces, rows, started, self.ended, self.ended - started)

    def rest(self) -> None:
        """Give memory back, until there is work again."""
        self.rested = True
        try:
            self._run.rest()
        except Exception:
            log.exception("a lane could not give memory back")


TURN_S = 0.03  # that the event loop may be held up
# Of the event loop from turn to turn, or what takes several would wait for as many turns.
ROUNDS = 5
PLENTY = 32  # entries: large ones, of which each takes many turns, keep nobody from coming in
LEAST_ITEMS = 8  # of a turn; engines that make fewer in that time are better off on a thread


def are_short(cost: CostModel) -> bool:
    """Whether batches of this cost can take turns."""
    return cost.estimate_s(LEAST_ITEMS) <= TURN_S


class InlineExecutor:
    """Runs what waits in a queue once all that has come by then is read.

    `done` is told each batch. Create, call and close it on one
    event loop.
    """

    def __init__(
        self,
        run: Run,
        queue: Queue,
        cost: CostModel,
        done: Callable[[Batch], None],
        *,
        most: int,
    ) -> None:
        self._queue = queue
        self._cost = cost
        self._done = done
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._lane = BatchRunner(run)
        self.lanes = [self._lane]
        self._turn: asyncio.Handle | None = None
        self._seen = 0  # work, at the last look
        self._left_at: float | None = None  # when the last turn ended, if something waited then
        self._resting: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Take a turn soon: something has come."""
        if self._turn is None:
            self._seen = 0
            self._turn = self._loop.call_soon(self._look)

    def busy_s(self) -> float:
        """The seconds until the lane is free: whoever asks has the event loop."""
        return 0.0

    def is_saturated(self) -> bool:
        """Whether there is work for several turns, for several callers."""
        return len(self._queue) >= PLENTY

    async def close(self) -> None:
        """Stop when the queue, which is closed, is empty."""
        while self._queue:
            self.wake()
            await asyncio.sleep(0)
        for handle in (self._turn, self._resting):
            if handle is not None:
                handle.cancel()

    def _look(self) -> None:
        """Take a turn, unless more comes with each look, as soon as ready answers are sent."""
        waiting = self._queue.work
        if self._seen < waiting < self._room():
            self._seen = waiting
            self._turn = self._loop.call_soon(self._look)
        else:
            self._go_round(1 if self._left_at is None else ROUNDS)

    def _go_round(self, rounds: int) -> None:
        """Take a turn once the event loop has gone round so often."""
        if rounds:
            self._turn = self._loop.call_soon(self._go_round, rounds - 1)
            return
        self._turn = None
        self._work_off()
        if self._queue.has_work():
            self.wake()
        elif self._resting is None:
            self._resting = self._loop.call_later(REST_AFTER_S, self._rest)

    def _room(self) -> int:
        """The work that can be done, and answered, in the time of a turn."""
        if not self._cost.item_s:
            return self._most
        room = (TURN_S - self._cost.fixed_s) / self._cost.item_s
        return min(self._most, max(TURNS, int(room)))

    def _work_off(self) -> None:
        with self._queue.lock:
            pieces = self._queue.form(self._room(), time.monotonic())
        if not pieces:
            self._left_at = None
            return
        batch = self._lane.work_off(pieces)
        if self._left_at is not None:  # since then nothing but work for these and other images
            batch = replace(batch, cost_s=batch.ended - self._left_at)
        if batch.rows is None:
            with self._queue.lock:
                self._queue.drop(pieces)
        self._left_at = batch.ended if self._queue else None
        self._done(batch)

    def _rest(self) -> None:
        self._resting = None
        left_s = self._lane.ended + REST_AFTER_S - time.monotonic()
        if self._queue or left_s > 0:
            self._resting = self._loop.call_later(left_s, self._rest)
        else:
            self._lane.rest()
