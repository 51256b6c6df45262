"""Reads the body of a request, up to a number of bytes."""

import re
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mirage.service.errors import BodyTooLarge

LENGTH = re.compile("[0-9]{1,18}")  # of a Content-Length


async def read_bounded(
    headers: Mapping[str, str], receive: Receive, most: int, explanation: str = ""
) -> bytes:
    """Read the body, up to `most` bytes.

    Raises BodyTooLarge, and ClientDisconnect if the client disconnects before its end.
    """
    size = announced_bytes(headers) or 0
    chunks: list[bytes] = []
    if more_body := size <= most:
        size = 0
    while more_body and size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more_body = message.get("more_body", False)
    if size > most:
        raise BodyTooLarge(
            f"the body has {size} bytes or more; at most {most} are allowed{explanation}"
        )
    return b"".join(chunks)


def announced_bytes(headers: Mapping[str, str]) -> int | None:
    """Return the Content-Length, or None if it is missing or invalid."""
    announced = headers.get("content-length", "")
    return int(announced) if LENGTH.fullmatch(announced) else None
