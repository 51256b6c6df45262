"""What the supervisor and a worker tell each other, over a pair of sockets."""

import json
import socket
from dataclasses import dataclass
from typing import Literal

MESSAGE_BYTES = 8192
MOST_TEXT = 1000  # characters, which are fewer bytes than a message may have
Word = Literal["connection", "drain", "stop", "leave", "ready", "failed", "gone"]


@dataclass(frozen=True)
class Message:
    """A word and what comes with it.

    `connection` brings an open socket; `drain`, `stop` and `leave` tell a worker to be not ready,
    to finish, and to end at once. `ready` and `failed` are a worker's own, the latter with an exit
    code and why. `gone` is what is heard of an end that was closed.
    """

    word: Word
    connection: socket.socket | None = None
    code: int = 0
    text: str = ""


class Channel:
    """One end of a pair; nothing that it does waits."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """What selectors and event loops wait for."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end; the other hears that it is gone."""
        self._end.close()

    def tell(self, message: Message) -> bool:
        """Send a message; false when the other end is gone, or takes nothing more for now."""
        content = {"word": message.word, "code": message.code, "text": message.text[:MOST_TEXT]}
        handed = [message.connection.fileno()] if message.connection else []
        try:
            socket.send_fds(self._end, [json.dumps(content, ensure_ascii=False).encode()], handed)
        except OSError:
            return False
        return True

    def hear(self) -> Message | None:
        """The next message; None when there is none yet."""
        try:
            data, handed, _, _ = socket.recv_fds(self._end, MESSAGE_BYTES, 1)
        except BlockingIOError:
            return None
        except OSError:
            return Message("gone")
        if not data:
            return Message("gone")
        connection = socket.socket(fileno=handed[0]) if handed else None
        return Message(connection=connection, **json.loads(data))


def open_channel() -> tuple[Channel, Channel]:
    """The two ends of a new channel; messages stay whole."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(one), Channel(other)
