"""Parses `multipart/form-data` (RFC 7578).

The body is bounded and in memory. One pass finds the boundaries, and each part is copied once.
"""

from email.message import Message
from email.parser import HeaderParser

from mirage.service.errors import InvalidValue, Malformed

FORM = "multipart/form-data"
MAX_PARTS = 16
MAX_HEAD_BYTES = 4096  # of one part
MAX_BOUNDARY = 70  # characters, as RFC 2046 has it
BREAK = b"\r\n"


def parse_form(body: bytes, content_type: str) -> dict[str, bytes]:
    """Return the fields of a form. Raises Malformed, and InvalidValue for a repeated name.

    `content_type` is the complete header.
    """
    delimiter = b"--" + _boundary(content_type)
    fields: dict[str, bytes] = {}
    start = _after(body, delimiter, 0)
    while body[start : start + 2] != b"--":
        if len(fields) == MAX_PARTS:
            raise Malformed(f"the form has more than {MAX_PARTS} parts")
        end = body.find(BREAK + delimiter, start)
        if end < 0:
            raise Malformed("the form is cut short: its last boundary is missing")
        name, value = _part(body, start, end)
        if name in fields:
            raise InvalidValue.of(f"{name:.100}", f"{name:.100} is given twice; once is allowed")
        fields[name] = value
        start = end + len(BREAK + delimiter)
    return fields


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    try:
        boundary = message.get_boundary() or ""
    except (LookupError, ValueError):  # of its charset
        raise Malformed(
            f"the boundary in Content-Type {content_type!r:.200} cannot be decoded; ASCII is"
            " allowed"
        ) from None
    if not 0 < len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
        raise Malformed(f"boundary of the form is {boundary!r:.100}; 1 … 70 characters are allowed")
    return boundary.encode("ascii")


def _after(body: bytes, delimiter: bytes, start: int) -> int:
    """Return the position after the first boundary."""
    if body.startswith(delimiter, start):
        return start + len(delimiter)
    found = body.find(BREAK + delimiter, start)
    if found < 0:
        raise Malformed("the form has no part; its boundary is in the Content-Type")
    return found + len(BREAK + delimiter)


def _part(body: bytes, start: int, end: int) -> tuple[str, bytes]:
    """Return name and value of the part between two positions."""
    head_end = body.find(2 * BREAK, start, min(end, start + MAX_HEAD_BYTES))
    if head_end < 0:
        raise Malformed(f"a part of the form has no head of up to {MAX_HEAD_BYTES} bytes")
    text = body[start:head_end].lstrip().decode("utf-8", "replace")
    head = HeaderParser().parsestr(text)
    name = head.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name:
        raise Malformed("a part of the form has no name")
    return name, body[head_end + len(2 * BREAK) : end]
