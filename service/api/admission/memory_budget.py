"""Limits the memory of requests with large bodies."""

from collections.abc import Iterator
from contextlib import contextmanager

from mirage.service.errors import Overloaded

RETRY_S = 2.0  # by when some of the others are answered


class MemoryBudget:
    """A limit on the bytes held at the same time. A single request may exceed it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.held_bytes = 0

    @contextmanager
    def held(self, size_bytes: int, beside: int = 0) -> Iterator[None]:
        """Hold bytes during the block.

        `beside` is what the same request holds already. Raises Overloaded if the total would exceed
        the limit and other requests hold a part of it.
        """
        others = self.held_bytes - beside
        if others and self.held_bytes + size_bytes > self._most_bytes:
            raise Overloaded(
                f"other requests hold {others} bytes of pictures, and {beside + size_bytes} of this"
                f" one would be over the limit of {self._most_bytes}",
                retry_after_s=RETRY_S,
            )
        self.held_bytes += size_bytes
        try:
            yield
        finally:
            self.held_bytes -= size_bytes
