"""What the workers of the service have to do at this moment, in memory that they share."""

import mmap


class Crowd:
    """Counts for each worker; make it before they are forked.

    `cpus` is what they have together. So a worker can tell whether all of that is free for it, and
    their supervisor who of them has the fewest connections. `place` is the number of this worker.
    A worker joins, leaves, looks and drops on one thread.
    """

    def __init__(self, workers: int = 1, cpus: int = 1) -> None:
        self.workers = workers
        self.cpus = cpus
        self.place = 0
        self._requests = _counts(workers)  # for images, that are under way
        # Two counts, for each is then written by one process only.
        self._given = _counts(workers)  # connections
        self._dropped = _counts(workers)

    def take_place(self, number: int) -> None:
        """Be worker `number` from now on, of which nobody wants anything yet."""
        self.place = number
        for counts in (self._requests, self._given, self._dropped):
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

    def give(self, number: int) -> None:
        """Note that worker `number` has been given a connection."""
        self._given[number] += 1

    def drop(self) -> None:
        """Note that a connection that was given has ended."""
        self._dropped[self.place] += 1

    def connections(self, number: int) -> int:
        """How many connections worker `number` has, those on their way to it included."""
        return self._given[number] - self._dropped[number]


def _counts(workers: int) -> "memoryview[int]":
    return memoryview(mmap.mmap(-1, 8 * workers)).cast("q")
