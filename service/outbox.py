"""Answers that are sent at the end of a turn of the event loop, one right behind the other.

A client that waits is woken for the first of them and reads the others with it. If each were sent
when it is ready, clients on this machine would be woken for each, and take the CPU from the next.
"""

import asyncio
from collections.abc import Callable

Send = Callable[[], None]


class Outbox:
    """What is to be sent, for one event loop."""

    def __init__(self) -> None:
        self._sends: list[Send] = []

    def add(self, send: Send) -> None:
        """Call `send` once the loop has done what it is about to do."""
        if not self._sends:
            asyncio.get_running_loop().call_soon(self.flush)
        self._sends.append(send)

    def flush(self) -> None:
        """Send all now."""
        sends, self._sends = self._sends, []
        for send in sends:
            send()
