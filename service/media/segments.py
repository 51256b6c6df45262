"""Counts the parts of an image file, which decoders walk in Python: millions take seconds."""

from collections.abc import Iterator
from itertools import islice

from PIL.JpegImagePlugin import MARKER

MAX_SEGMENTS = 16384
"""libpng writes chunks of 8 KiB, 4,096 in the largest picture; 16,384 take Pillow about 0.1 s."""
MAX_EXIF_SEGMENTS = 16
"""EXIF of up to 1 MiB; the standard has one segment. Pillow copies all earlier ones for each:
4,000 of 2 KiB take 5 s of CPU time."""
PNG_SIGNATURE_BYTES = 8
PNG_FRAME_BYTES = 12  # length, type and checksum of a chunk
JPEG_SCAN = 0xFFDA  # start of the entropy-coded data
JPEG_FILL, JPEG_STUFFED = 0xFFFF, 0xFF00
EXIF, EXIF_MARKER = b"Exif\0\0", b"\xff\xe1"
EXIF_OFFSET = 4  # behind the marker and the length


def has_many_chunks(png: bytes) -> bool:
    """Return whether a PNG has more than MAX_SEGMENTS chunks."""
    return _exceeds(_png_chunks(png), MAX_SEGMENTS)


def has_many_segments(jpeg: bytes) -> bool:
    """Return whether a JPEG has more than MAX_SEGMENTS segments before its first scan.

    Bytes between segments, which decoders skip one by one, count as one segment each.
    """
    return _exceeds(_jpeg_segments(jpeg), MAX_SEGMENTS)


def has_many_exif_segments(jpeg: bytes) -> bool:
    """Return whether a JPEG has more than MAX_EXIF_SEGMENTS segments of EXIF."""
    return _exceeds(filter(lambda at: _is_exif(jpeg, at), _jpeg_segments(jpeg)), MAX_EXIF_SEGMENTS)


def _exceeds(positions: Iterator[int], most: int) -> bool:
    return next(islice(positions, most, None), None) is not None


def _is_exif(jpeg: bytes, position: int) -> bool:
    return jpeg.startswith(EXIF_MARKER, position) and jpeg.startswith(EXIF, position + EXIF_OFFSET)


def _png_chunks(data: bytes) -> Iterator[int]:
    position = PNG_SIGNATURE_BYTES
    while position + PNG_FRAME_BYTES <= len(data):
        yield position
        position += PNG_FRAME_BYTES + int.from_bytes(data[position : position + 4], "big")


def _jpeg_segments(data: bytes) -> Iterator[int]:
    """Yield where segments begin, in the order and by the rules of Pillow."""
    position = 2  # after the start of the image
    while position + 2 <= len(data):
        marker = int.from_bytes(data[position : position + 2], "big")
        if marker == JPEG_SCAN:
            return
        yield position
        if marker >> 8 != 0xFF or marker == JPEG_FILL:
            position += 1
        elif marker == JPEG_STUFFED:
            position += 2
        elif marker not in MARKER:
            return  # Pillow rejects the file
        elif MARKER[marker][2] is None:  # Pillow reads no length
            position += 2
        else:
            length = int.from_bytes(data[position + 2 : position + 4], "big")
            position += 2 + max(2, length)
