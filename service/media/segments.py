"""Counts the parts of an image file, which decoders walk in Python: millions take seconds."""

from collections.abc import Iterator
from itertools import islice

MAX_SEGMENTS = 16384
"""libpng writes chunks of 8 KiB, 4,096 in the largest picture; 16,384 take Pillow about 0.1 s."""
PNG_SIGNATURE_BYTES = 8
PNG_FRAME_BYTES = 12  # length, type and checksum of a chunk
JPEG_SCAN = 0xDA  # start of the entropy-coded data
JPEG_FILL, JPEG_STUFFED = 0xFF, 0x00
JPEG_BARE = {0x01, *range(0xD0, 0xDA)}  # markers without a length


def has_many_chunks(png: bytes) -> bool:
    """Return whether a PNG has more than MAX_SEGMENTS chunks."""
    return _exceeds(_png_chunks(png))


def has_many_segments(jpeg: bytes) -> bool:
    """Return whether a JPEG has more than MAX_SEGMENTS segments before its first scan."""
    return _exceeds(_jpeg_segments(jpeg))


def _exceeds(positions: Iterator[int]) -> bool:
    return next(islice(positions, MAX_SEGMENTS, None), None) is not None


def _png_chunks(data: bytes) -> Iterator[int]:
    position = PNG_SIGNATURE_BYTES
    while position + PNG_FRAME_BYTES <= len(data):
        yield position
        position += PNG_FRAME_BYTES + int.from_bytes(data[position : position + 4], "big")


def _jpeg_segments(data: bytes) -> Iterator[int]:
    position = 2  # after the start of the image
    while position + 2 <= len(data) and data[position] == JPEG_FILL:
        marker = data[position + 1]
        if marker == JPEG_SCAN:
            return
        yield position
        if marker == JPEG_FILL:
            position += 1
        elif marker == JPEG_STUFFED or marker in JPEG_BARE:
            position += 2
        else:
            length = int.from_bytes(data[position + 2 : position + 4], "big")
            position += 2 + max(2, length)
