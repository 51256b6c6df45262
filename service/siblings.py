"""Where the workers of one service ask each other for what each of them counts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # for one that is busy, hangs or has just been lost


class Siblings:
    """All workers but one, by the sockets that they answer on in a folder of their own."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self._own = _path(folder, number)
        self._others = [_path(folder, other) for other in range(count) if other != number]

    @asynccontextmanager
    async def answering(self, tell: Callable[[], bytes]) -> AsyncIterator[None]:
        """Within the block, whoever connects is sent what `tell` says then."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(tell())
            writer.close()

        server = await asyncio.start_unix_server(answer, self._own)
        try:
            yield
        finally:
            server.close()

    async def ask(self) -> list[bytes]:
        """What each of the others says now; who does not answer in time is left out."""
        answers = await asyncio.gather(*map(_ask, self._others))
        return [answer for answer in answers if answer]


async def _ask(path: Path) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        log.warning("worker does not answer: %s", error)
        return b""


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.socket"
