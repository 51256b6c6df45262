"""Counters of all workers, and the phase of the service, in shared memory."""

import mmap
import time
from enum import IntEnum

from mirage.service.sharing.batch_sizes import SharedBatchSizes

# Seconds without a heartbeat after which other workers accept connections in a worker's place. Its
# batches block the event loop for up to 30 ms: after half a second it hangs, or the machine is so
# busy that an answer matters more than an even distribution.
LATE_S = 0.5


class Phase(IntEnum):
    """The phase of the service, set by the supervisor. It only increases."""

    LOADING = 0
    SERVING = 1
    DRAINING = 2  # serve, but report not ready
    STOPPING = 3  # accept no more connections, and finish
    LEAVING = 4  # end at once


class SharedCounters:
    """Counters of each worker. Create them before the workers are forked.

    `cpus` is the number of CPUs of all workers, `worker` the number of this one. Each counter is
    written by one thread of one process; any process may read it.
    """

    def __init__(self, workers: int = 1, cpus: int = 1) -> None:
        self.workers = workers
        self.cpus = cpus
        self.worker = 0
        self.batch_sizes = SharedBatchSizes()
        self._requests = _integers(workers)  # requests for images in flight
        self._connections = _integers(workers)
        self._accepting = _integers(workers)
        self._beats = _integers(workers)  # nanoseconds of the monotonic clock
        self._phase = _integers(1)
        self._lost = _integers(1)
        self._failed_starts = _integers(1)

    def set_worker(self, number: int) -> None:
        """Make this process worker `number`, and reset the counters of its predecessor."""
        self.worker = number
        self.clear(number)

    def clear(self, number: int) -> None:
        """Reset the counters of a worker that has ended."""
        for counts in (self._requests, self._connections, self._accepting, self._beats):
            counts[number] = 0

    def begin_request(self) -> None:
        """Count a request in flight."""
        self._requests[self.worker] += 1

    def end_request(self) -> None:
        """Count a request in flight no longer."""
        self._requests[self.worker] -= 1

    def has_single_request(self) -> bool:
        """Whether all workers together have one request in flight."""
        return sum(self._requests) == 1

    def beat(self) -> None:
        """Record a heartbeat of this worker's event loop."""
        self._beats[self.worker] = time.monotonic_ns()

    def last_beat(self, number: int) -> int:
        """Return the last heartbeat of a worker in nanoseconds; 0 before the first."""
        return self._beats[number]

    def set_connections(self, count: int) -> None:
        """Record the number of connections of this worker."""
        self._connections[self.worker] = count

    def connections(self, number: int) -> int:
        """Return the number of connections of a worker."""
        return self._connections[number]

    def set_accepting(self, accepting: bool) -> None:
        """Record whether this worker accepts connections."""
        self._accepting[self.worker] = accepting

    def has_fewest(self, discount: int = 0) -> bool:
        """Whether no other worker that accepts connections has fewer than this one.

        `discount` connections of this worker do not count.
        """
        own = self._connections[self.worker] - discount
        for number, count in enumerate(self._connections):
            if count < own and self._accepting[number] and self._is_responsive(number):
                return False
        return True

    def _is_responsive(self, number: int) -> bool:
        return time.monotonic_ns() - self._beats[number] < LATE_S * 1e9

    @property
    def phase(self) -> Phase:
        """The phase of the service. Only the supervisor sets it."""
        return Phase(self._phase[0])

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase[0] = phase

    @property
    def ready(self) -> int:
        """Number of workers whose event loop runs."""
        return sum(beat > 0 for beat in self._beats)

    @property
    def lost(self) -> int:
        """Number of workers that ended unexpectedly after they had served."""
        return self._lost[0]

    def count_lost(self) -> None:
        """Count a worker that ended unexpectedly after it had served."""
        self._lost[0] += 1

    @property
    def failed_starts(self) -> int:
        """Number of workers that could not be started, or ended before they served."""
        return self._failed_starts[0]

    def count_failed_start(self) -> None:
        """Count a worker that could not be started, or ended before it served."""
        self._failed_starts[0] += 1


def _integers(count: int) -> "memoryview[int]":
    return memoryview(mmap.mmap(-1, 8 * count)).cast("q")
