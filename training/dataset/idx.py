"""The IDX format of MNIST: four magic bytes, big-endian sizes, raw bytes."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from mirage.training.errors import DataError

UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 32


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzip-compressed or not: uint8, any number of dimensions.

    Raises DataError naming the file when it is not IDX, holds another type, or is cut short.
    """
    raw = _read(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTE:
        raise DataError(f"{path.name} begins with {raw[:4].hex()}; IDX of bytes begins with 000008")
    dimensions = raw[3]
    header = 4 + 4 * dimensions
    if dimensions < 1 or len(raw) < header:
        raise DataError(f"{path.name} is cut short in its header ({len(raw)} bytes)")
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise DataError(
            f"{path.name} announces {math.prod(shape)} bytes {shape} but holds {len(raw) - header}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            return file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
