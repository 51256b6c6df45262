"""Compresses pixels with ISA-L, in zlib's format."""

from typing import Protocol

from isal import isal_zlib

LEVEL = 1


class Deflater(Protocol):
    """Compresses bytes incrementally."""

    def compress(self, data: memoryview, /) -> bytes:
        """Add bytes, and return those that are ready."""

    def flush(self) -> bytes:
        """Return the last bytes."""


def deflater() -> Deflater:
    """Return a new compressor."""
    made: Deflater = isal_zlib.compressobj(LEVEL)
    return made


def deflate(data: memoryview) -> bytes:
    """Compress `data` to the same bytes in every process.

    `isal_zlib.compress` must not be used for this. It is as fast, but in one of about ten processes
    or threads it compressed 1 of 25 to 1 of 5000 digits to other bytes (isal 1.9.1). Objects gave
    equal bytes in all of them.
    """
    made = deflater()
    return made.compress(data) + made.flush()
