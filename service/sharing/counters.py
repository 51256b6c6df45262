"""What the processes of the service count, and the phase they are in, in memory that they share."""

import mmap
import time
from enum import IntEnum

from mirage.service.sharing.batch_sizes import SharedSizes

# A worker whose event loop has not turned for so long is not waited for. Its engine takes turns of
# 30 ms: it is blocked, or the machine so busy that an answer matters more than an even spread.
LATE_S = 0.5


class Phase(IntEnum):
    """What the supervisor wants of all workers; it only rises."""

    LOADING = 0
    SERVING = 1
    DRAINING = 2  # serve, but not as ready
    STOPPING = 3  # accept nothing more, and finish
    LEAVING = 4  # end at once


class SharedCounters:
    """Counters of each worker; create them before the workers are forked.

    `cpus` is what the workers have together, `place` is the number of this worker. Each counter is
    written by one process only, on one thread; any process may read it. On `batch_sizes` they
    agree.
    """

    def __init__(self, workers: int = 1, cpus: int = 1) -> None:
        self.workers = workers
        self.cpus = cpus
        self.place = 0
        self.batch_sizes = SharedSizes()
        self._requests = _integers(workers)  # for images, in flight
        self._connections = _integers(workers)
        self._accepting = _integers(workers)
        self._beats = _integers(workers)  # nanoseconds of the monotonic clock
        self._phase = _integers(1)
        self._lost = _integers(1)
        self._failed_starts = _integers(1)

    def take_place(self, number: int) -> None:
        """Be worker `number` from now on, with nothing of its predecessor."""
        self.place = number
        self.clear(number)

    def clear(self, number: int) -> None:
        """Forget what a worker counted that has ended."""
        for counts in (self._requests, self._connections, self._accepting, self._beats):
            counts[number] = 0

    def join(self) -> None:
        """Begin with a request."""
        self._requests[self.place] += 1

    def leave(self) -> None:
        """End it."""
        self._requests[self.place] -= 1

    def is_one(self) -> bool:
        """Whether there is one request alone."""
        return sum(self._requests) == 1

    def beat(self) -> None:
        """Note that the event loop of this worker turns."""
        self._beats[self.place] = time.monotonic_ns()

    def last_beat(self, number: int) -> int:
        """When a worker's event loop turned last, in nanoseconds; 0 before it began."""
        return self._beats[number]

    def set_connections(self, count: int) -> None:
        """Note how many connections this worker has."""
        self._connections[self.place] = count

    def connections(self, number: int) -> int:
        """How many connections a worker has."""
        return self._connections[number]

    def set_accepting(self, accepting: bool) -> None:
        """Note whether this worker accepts connections when it has fewer than others."""
        self._accepting[self.place] = accepting

    def has_fewest(self, apart_from: int = 0) -> bool:
        """Whether no other worker that can accept a connection now has fewer than this one.

        So many of its own do not count.
        """
        own = self._connections[self.place] - apart_from
        for number, count in enumerate(self._connections):
            if count < own and self._accepting[number] and self._is_in_time(number):
                return False
        return True

    def _is_in_time(self, number: int) -> bool:
        return time.monotonic_ns() - self._beats[number] < LATE_S * 1e9

    @property
    def phase(self) -> Phase:
        """What the supervisor wants of all workers; only it sets this."""
        return Phase(self._phase[0])

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase[0] = phase

    @property
    def ready(self) -> int:
        """How many workers have an event loop that turns."""
        return sum(beat > 0 for beat in self._beats)

    @property
    def lost(self) -> int:
        """How many workers that served have ended unasked; the supervisor counts them."""
        return self._lost[0]

    def count_lost(self) -> None:
        """Count a worker that served and ended unasked."""
        self._lost[0] += 1

    @property
    def failed_starts(self) -> int:
        """How many starts of workers have failed; the supervisor counts them."""
        return self._failed_starts[0]

    def count_failed_start(self) -> None:
        """Count a worker that could not be started, or ended before it served."""
        self._failed_starts[0] += 1


def _integers(count: int) -> "memoryview[int]":
    return memoryview(mmap.mmap(-1, 8 * count)).cast("q")
