"""Content encodings of the protocol: gzip and deflate, in both directions."""

import zlib

from isal import isal_zlib

from mirage.service.errors import BodyTooLarge, Malformed, UnsupportedBody

IDENTITY = "identity"
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's numbers of the two formats; earlier wins ties
ANY = "*"
LEVEL = 1
MOST_ITEMS = 64


def request_encoding(header: str | None) -> str | None:
    """The encoding of a body by its Content-Encoding, None for none; raises UnsupportedBody."""
    encoding = (header or IDENTITY).strip().lower()
    if encoding == IDENTITY:
        return None
    if encoding not in WINDOW_BITS:
        raise UnsupportedBody(
            f"Content-Encoding is {header!r:.100}; {', '.join(WINDOW_BITS)} are allowed"
        )
    return encoding


def decompress(body: bytes, encoding: str, most: int) -> bytes:
    """Decompress a body, but never more than `most` bytes of it.

    Raises BodyTooLarge, and Malformed for what is cut short or no such data.
    """
    stream = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        data = stream.decompress(body, most + 1)
    except zlib.error:
        raise Malformed(f"the body is not {encoding} data") from None
    if len(data) > most:
        raise BodyTooLarge(f"the body decompresses to more than {most} bytes, the limit")
    if not stream.eof or stream.unused_data:
        raise Malformed(f"the {encoding} data of the body are cut short, or more follows them")
    return data


def response_encoding(accept_encoding: str) -> str | None:
    """The encoding that the client likes best; None when it asks for neither."""
    wanted = _qualities(accept_encoding)
    rest = wanted.get(ANY, 0.0)
    best = max(WINDOW_BITS, key=lambda encoding: wanted.get(encoding, rest))
    return best if wanted.get(best, rest) > 0 else None


def compress(body: bytes, encoding: str) -> bytes:
    """Compress an answer, quickly rather than well."""
    return isal_zlib.compress(body, LEVEL, WINDOW_BITS[encoding])


def _qualities(header: str) -> dict[str, float]:
    """The encodings of an Accept-Encoding header with their q-values; unreadable ones are 0."""
    qualities = {}
    for item in header.lower().split(",")[:MOST_ITEMS]:
        encoding, _, quality = item.partition(";")
        qualities[encoding.strip()] = _quality(quality.strip())
    return qualities


def _quality(text: str) -> float:
    try:
        quality = float(text.removeprefix("q=")) if text else 1.0
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
