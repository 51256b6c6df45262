"""One batch: the function that computes it, and how its run is timed."""

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from mirage.service.batching.queue import Array, Arrays, BatchSlice, gather

log = logging.getLogger(__name__)

# Idle seconds after which a runner releases memory. Chosen to be longer than the pauses of a busy
# service: the first batch afterwards has to allocate the memory again.
RELEASE_AFTER_S = 5.0


class Run(Protocol):
    """The function that computes a batch. A runner never calls it concurrently."""

    def __call__(self, arrays: Arrays) -> Array:
        """Map arrays of n items to n rows."""

    def release_memory(self) -> None:
        """Release memory that only running batches need."""


@dataclass(frozen=True)
class Batch:
    """A finished batch: its slices and their rows, or None if it failed.

    `started` and `ended` are in `time.monotonic()` seconds. `cost_s` is the time by which the batch
    delayed the next one.
    """

    slices: list[BatchSlice]
    rows: Array | None
    started: float
    ended: float
    cost_s: float

    @property
    def size(self) -> int:
        """Number of items."""
        return sum(part.size for part in self.slices)

    @property
    def work(self) -> int:
        """Work of all items."""
        return sum(part.size * part.entry.weight for part in self.slices)

    @property
    def seconds(self) -> float:
        """Duration of the run."""
        return self.ended - self.started


class BatchRunner:
    """Runs one batch at a time; `running_since` is when the current one started, or None."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.running_since: float | None = None
        self.ended = 0.0  # when the last batch ended
        self.has_released = True

    def run_batch(self, slices: list[BatchSlice]) -> Batch:
        """Run a batch. Logs the error if it fails."""
        self.has_released = False
        started = self.running_since = time.monotonic()
        size = sum(part.size for part in slices)
        rows: Array | None = None
        try:
            rows = self._run(gather(slices))
            if len(rows) != size:
                raise ValueError(f"a batch of {size} items returned {len(rows)} rows")
        except Exception:
            log.exception("batch failed items=%d", size)
            rows = None
        self.ended = time.monotonic()
        self.running_since = None
        return Batch(slices, rows, started, self.ended, self.ended - started)

    def release_memory(self) -> None:
        """Release memory until the next batch."""
        self.has_released = True
        try:
            self._run.release_memory()
        except Exception:
            log.exception("a runner could not release memory")
