"""How many requests for images are under way at this moment, over all workers of the service."""

import mmap


class Crowd:
    """A count for each worker in memory that they share; make it before they are forked.

    `cpus` is what they have together. So a worker can tell whether all of that is free for it.
    `place` is the number of this worker. Join, leave and look on one thread of each worker.
    """

    def __init__(self, workers: int = 1, cpus: int = 1) -> None:
        self.workers = workers
        self.cpus = cpus
        self._requests = memoryview(mmap.mmap(-1, 4 * workers)).cast("i")
        self.place = 0

    def take_place(self, number: int) -> None:
        """Be worker `number` from now on, of which nobody wants anything yet."""
        self.place = number
        self._requests[number] = 0

    def join(self) -> None:
        """Begin with a request."""
        self._requests[self.place] += 1

    def leave(self) -> None:
        """End it."""
        self._requests[self.place] -= 1

    def is_one(self) -> bool:
        """Whether there is one request alone."""
        return sum(self._requests) == 1
