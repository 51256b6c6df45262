"""Messages between the supervisor and a worker."""

import json
import socket
from dataclasses import dataclass
from typing import Literal

MESSAGE_BYTES = 8192
MAX_TEXT = 1000  # characters, which are fewer bytes than a message may have
Word = Literal["ready", "failed", "gone"]


@dataclass(frozen=True)
class Message:
    """A worker is ready, or has failed with an exit code and a reason.

    `gone` is what is heard of an end that was closed.
    """

    word: Word
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

    def send(self, message: Message) -> bool:
        """Send a message; false when the other end is gone, or takes nothing more for now."""
        content = {"word": message.word, "code": message.code, "text": message.text[:MAX_TEXT]}
        try:
            self._end.send(json.dumps(content, ensure_ascii=False).encode())
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; None when there is none yet."""
        try:
            data = self._end.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return Message("gone")
        return Message(**json.loads(data)) if data else Message("gone")


def open_channel() -> tuple[Channel, Channel]:
    """The two ends of a new channel; messages stay whole."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(one), Channel(other)
