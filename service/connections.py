"""The open connections of one event loop: their timeouts, and what they share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mirage.service.errors import ServiceError

HEAD_BYTES = 64 * 1024  # of a request; nginx takes 32 KiB, and browsers stay below 16
CHECK_S = 1.0  # between two looks for connections that are past a timeout
DISCONNECT = "mirage.disconnect"
"""ASGI extension: its `notify` takes a callable that is called when the client leaves."""

AnswerError = Callable[[ServiceError, str], bytes]
"""Counts and logs an error that belongs to no request, and formats its answer for a client of this
address."""


@dataclass(frozen=True)
class Timeouts:
    """How long a connection may take, in seconds.

    `head` counts from the connection's start or from a request's first byte, `body` from the end
    of the head, `write` while the client reads nothing of an answer, `keep_alive` between requests.
    """

    head: float = 10
    body: float = 30
    write: float = 30
    keep_alive: float = 75


class Connection(Protocol):
    """What may be past a timeout."""

    def close_if_overdue(self, now: float) -> None:
        """Close it if it is, by the event loop's clock."""


class Connections:
    """The open connections of one event loop."""

    def __init__(self, timeouts: Timeouts, answer_error: AnswerError) -> None:
        self.timeouts = timeouts
        self.answer_error = answer_error
        self.all: set[Connection] = set()

    async def watch(self) -> None:
        """Close connections that are past a timeout, until cancelled.

        One task for all of them: a timer for each would be set and cancelled with every request.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            now = loop.time()
            for connection in list(self.all):
                connection.close_if_overdue(now)
