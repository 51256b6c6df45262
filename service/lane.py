"""What runs batches, one after the other, and what comes out of them."""

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from mirage.service.entry import Array, Arrays, Piece, gather

log = logging.getLogger(__name__)

REST_AFTER_S = 5.0  # without work, after which a lane gives memory back


class Run(Protocol):
    """What a lane runs, never twice at once."""

    def __call__(self, arrays: Arrays) -> Array:
        """Arrays of n items → n rows."""

    def rest(self) -> None:
        """Give back what only work needs."""


@dataclass(frozen=True)
class Batch:
    """A batch that was run: its pieces, their rows, or None if it failed, and when that was.

    `cost_s` are the seconds by which it put the next one off.
    """

    pieces: list[Piece]
    rows: Array | None
    started: float
    ended: float
    cost_s: float

    @property
    def size(self) -> int:
        """How many items."""
        return sum(piece.size for piece in self.pieces)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


class Lane:
    """One line of batches; `running_since` is when the present one began, by the clock."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.running_since: float | None = None
        self.ended = 0.0  # the last batch
        self.rested = True

    def work_off(self, pieces: list[Piece]) -> Batch:
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
