"""The memory that requests with large bodies may hold at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from mirage.service.errors import Overloaded

RETRY_S = 2.0  # by when some of the others are answered


class MemoryBudget:
    """At most so many bytes are held at once; one request alone may hold what it needs."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.held_bytes = 0

    @contextmanager
    def held(self, size_bytes: int) -> Iterator[None]:
        """Hold so many bytes within the block; raises Overloaded when others hold too many."""
        if self.held_bytes and self.held_bytes + size_bytes > self._most_bytes:
            raise Overloaded(
                f"other requests hold {self.held_bytes} bytes of pictures, and {size_bytes} more"
                f" would be over the limit of {self._most_bytes}",
                retry_after_s=RETRY_S,
            )
        self.held_bytes += size_bytes
        try:
            yield
        finally:
            self.held_bytes -= size_bytes
