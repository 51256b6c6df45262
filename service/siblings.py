"""Where the workers of one service ask each other for what each of them counts."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # for those that are busy, hang or have just been lost
# The event loop waits so long itself: most answer sooner, and before it goes on with anything the
# engine may take a turn.
HELD_S = 0.02
PART_BYTES = 2**18


class Siblings:
    """All workers but one, by the sockets that they answer on in a folder of their own."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self._own = _path(folder, number)
        self._others = [_path(folder, other) for other in range(count) if other != number]

    @contextmanager
    def answering(self, tell: Callable[[], bytes]) -> Iterator[None]:
        """Within the block, whoever connects is sent what `tell` says then.

        On a thread, so that it is told also while the engine has the event loop.
        """
        with socket.socket(socket.AF_UNIX) as listener:
            self._own.unlink(missing_ok=True)  # of one that was killed
            listener.bind(str(self._own))
            listener.listen()
            ended = threading.Event()
            thread = threading.Thread(
                target=_answer, args=(listener, tell, ended), name="tell", daemon=True
            )
            thread.start()
            try:
                yield
            finally:
                ended.set()
                with _connected(self._own):  # for that it waits; it cannot come if the path is gone
                    thread.join(PATIENCE_S)

    async def ask(self, tell: Callable[[], bytes]) -> list[bytes]:
        """What this one tells, and then each of the others, who make theirs meanwhile.

        Who does not answer in time is left out.
        """
        with ExitStack() as stack:
            sockets = [stack.enter_context(_connected(other)) for other in self._others]
            own, asked = tell(), time.monotonic()
            answers = [await _read(each, asked) for each in sockets]
        return [own, *(answer for answer in answers if answer)]


def _answer(listener: socket.socket, tell: Callable[[], bytes], ended: threading.Event) -> None:
    """Answer who connects, one after the other, until one does after the end."""
    while not ended.is_set():
        try:
            connection, _ = listener.accept()
        except OSError as error:  # too many open files
            log.warning("worker cannot be asked: %s", error)
            ended.wait(PATIENCE_S)
            continue
        with connection:
            if not ended.is_set():
                _tell(connection, tell)


def _tell(connection: socket.socket, tell: Callable[[], bytes]) -> None:
    connection.settimeout(PATIENCE_S)
    try:
        connection.sendall(tell())
    except Exception:
        log.exception("worker could not tell what it counts")


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


async def _read(connection: socket.socket | None, asked: float) -> bytes:
    """All that is sent until the other end closes; nothing if that takes longer than patience."""
    if connection is None:
        return b""
    answer = b""
    try:
        async with asyncio.timeout(asked + PATIENCE_S - time.monotonic()):
            while part := await _part(connection, asked):
                answer += part
    except (OSError, TimeoutError) as error:
        log.warning("worker does not answer: %s", error or "too slow")
        return b""
    return answer


async def _part(connection: socket.socket, asked: float) -> bytes:
    """What comes next, nothing at the end."""
    connection.settimeout(max(0.0, asked + HELD_S - time.monotonic()))  # 0: only what is there
    try:
        return connection.recv(PART_BYTES)
    except (TimeoutError, BlockingIOError):
        connection.setblocking(False)
    return await asyncio.get_running_loop().sock_recv(connection, PART_BYTES)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.socket"
