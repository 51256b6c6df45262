"""What the heads of requests say, remembered: a client sends the same bytes again and again."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from mirage.service.bodies import BODY_TYPES, Query, body_type
from mirage.service.waiting import allowed_s

END = b"\r\n\r\n"
LONGEST_BYTES = 1024  # longer heads, and those of more headers, are read anew each time
MOST_HEADERS = 32
MOST_HEADS = 1024  # remembered; those that came first go first
# Those that ask for more than to read so many bytes and answer.
UNLIKE = frozenset({"expect", "transfer-encoding", "upgrade"})


@dataclass(frozen=True)
class Head:
    """What the head of a request says.

    `headers` stand by lower-case name; what came several times is joined with commas.
    """

    scope: Any  # as ASGI has it
    headers: dict[str, str]
    query: Query

    @classmethod
    def of(cls, scope: Any) -> "Head":
        """Read it from ASGI's scope."""
        text = scope["query_string"]
        query = parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []
        return cls(scope, _headers(scope), query)

    @cached_property
    def body_type(self) -> str | None:
        """As `bodies.body_type`; raises UnsupportedBody."""
        return body_type(self.headers, BODY_TYPES)

    @cached_property
    def allowed_s(self) -> float:
        """The seconds that the client allows, infinity if it does not say; raises Malformed."""
        return allowed_s(self.headers, math.inf)


class Heads:
    """Remembers heads by their bytes, each with the length of the body that it announces."""

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[Head, int]] = {}

    def find(self, data: bytes) -> tuple[Head, int] | None:
        """The head of data that is one whole request of a known one, and where its body begins."""
        stop = end_of_head(data)
        found = self._heads.get(data[:stop])
        if found is None or found[1] != len(data) - stop:
            return None
        return found[0], stop

    def learn(self, data: bytes, head: Head, body_bytes: int) -> None:
        """Remember the head of what was read as one request with so long a body.

        If that is not all there is behind the head, nothing can be said of the next such data.
        """
        stop = end_of_head(data)
        if not stop or len(data) - stop != body_bytes:
            return
        if len(head.headers) > MOST_HEADERS or not UNLIKE.isdisjoint(head.headers):
            return
        if len(self._heads) >= MOST_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[data[:stop]] = head, body_bytes


def end_of_head(data: bytes) -> int:
    """Where the body begins; 0 when the head is not whole, or too long to be remembered."""
    stop = data.find(END, 0, LONGEST_BYTES)
    return 0 if stop < 0 else stop + len(END)


def _headers(scope: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers
