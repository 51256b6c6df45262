"""Messages between the supervisor and a worker."""

import json
import socket
from dataclasses import dataclass
from typing import Literal

MESSAGE_BYTES = 8192
MAX_TEXT = 1000  # characters; at most 4 bytes each in UTF-8, within MESSAGE_BYTES
Word = Literal["ready", "failed", "gone"]


@dataclass(frozen=True)
class Message:
    """A worker is ready, or has failed with an exit code and a reason.

    `gone` is received when the other end was closed.
    """

    word: Word
    code: int = 0
    text: str = ""


class Channel:
    """One end of a pair. No method blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """The file descriptor, for selectors and event loops."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end; the other receives `gone`."""
        self._end.close()

    def send(self, message: Message) -> bool:
        """Send a message. Returns false if the other end is closed or its buffer is full."""
        content = {"word": message.word, "code": message.code, "text": message.text[:MAX_TEXT]}
        try:
            self._end.send(json.dumps(content, ensure_ascii=False).encode())
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """Return the next message, or None if there is none yet."""
        try:
            data = self._end.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return Message("gone")
        return Message(**json.loads(data)) if data else Message("gone")


def open_channel() -> tuple[Channel, Channel]:
    """Return the two ends of a new channel that preserves message boundaries."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(one), Channel(other)
