"""Where the workers of one service ask each other for what each of them counts."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # for those that are busy, hang or have just been lost
PART_BYTES = 2**18


class Siblings:
    """All workers but one, by the sockets that they answer on in a folder of their own."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self._own = _path(folder, number)
        self._others = [_path(folder, other) for other in range(count) if other != number]

    @asynccontextmanager
    async def answering(self, tell: Callable[[], bytes]) -> AsyncIterator[None]:
        """Within the block, whoever connects is sent what `tell` says then."""
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: Telling(tell), self._own)
        try:
            yield
        finally:
            server.close()

    async def ask(self) -> list[bytes]:
        """What each of the others says now; who does not answer in time is left out."""
        with ExitStack() as stack:
            sockets = [stack.enter_context(_connected(other)) for other in self._others]
            until = time.monotonic() + PATIENCE_S
            answers = [await _read(each, until) for each in sockets]
        return [answer for answer in answers if answer]


class Telling(asyncio.Protocol):
    """Sends one text to who connects. As few steps as can be: before each the engine may run."""

    def __init__(self, tell: Callable[[], bytes]) -> None:
        self._tell = tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send it."""
        stream = cast(asyncio.Transport, transport)
        stream.write(self._tell())
        stream.close()


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket | None]:
    """A socket to who answers at a path; None if nobody does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        try:
            connection.connect(str(path))  # which does not wait
        except OSError as error:
            log.warning("worker does not answer: %s", error)
            yield None
        else:
            yield connection


async def _read(connection: socket.socket | None, until: float) -> bytes:
    """All that is sent until the other end closes; nothing if that is later than `until`."""
    if connection is None:
        return b""
    loop, answer = asyncio.get_running_loop(), b""
    try:
        async with asyncio.timeout(until - time.monotonic()):
            while part := await loop.sock_recv(connection, PART_BYTES):
                answer += part
    except (OSError, TimeoutError) as error:
        log.warning("worker does not answer: %s", error or "too slow")
        return b""
    return answer


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.socket"
