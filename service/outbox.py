"""Answers that are sent at the end of a turn of the event loop, one right behind the other.

A client that waits is woken for the first of them and reads the others with it. If each were sent
when it is ready, clients on this machine would be woken for each, and take the CPU from the next.
"""

import asyncio
import time
from collections.abc import Callable

HELD_S = 0.004  # at most, while others come

Send = Callable[[], None]


class Outbox:
    """What is to be sent, for one event loop."""

    def __init__(self) -> None:
        self._sends: list[Send] = []
        self._since = 0.0  # when the first of them came

    def add(self, send: Send) -> None:
        """Call `send` once the loop has done what it is about to do, or if that takes long, now."""
        now = time.monotonic()
        if not self._sends:
            asyncio.get_running_loop().call_soon(self.flush)
            self._since = now
        self._sends.append(send)
        if now - self._since > HELD_S:
            self.flush()

    def flush(self) -> None:
        """Send all now."""
        sends, self._sends = self._sends, []
        for send in sends:
            send()
