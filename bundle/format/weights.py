"""Verification of `weights.safetensors` without loading tensors.

The file consists of the header's length (8 bytes, little-endian), the header (JSON) and the data.
"""

import math
from typing import Any

from mirage.bundle.errors import BundleError
from mirage.bundle.format.strict_json import parse_object

LENGTH_BYTES = 8
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F32": 4, "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip


def check_weights(start: bytes, size_bytes: int, header_limit_bytes: int) -> None:
    """Check the header of a file.

    start: the first `8 + header_limit_bytes` bytes, or the whole file if that is shorter.
    size_bytes: of the whole file. Raises BundleError `weights_invalid` unless the tensors fill the
    file without gaps or overlaps.
    """
    try:
        length = int.from_bytes(start[:LENGTH_BYTES], "little")
        if len(start) < LENGTH_BYTES or length > min(size_bytes - LENGTH_BYTES, header_limit_bytes):
            raise ValueError(f"the header's length, {length} bytes, cannot be")
        header = parse_object(start[LENGTH_BYTES : LENGTH_BYTES + length])
        _check_metadata(header.pop("__metadata__", {}))
        _check_spans(header, size_bytes - LENGTH_BYTES - length)
    except ValueError as error:
        raise BundleError("weights_invalid", f"weights.safetensors: {error}") from None


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("__metadata__ must map names to strings")


def _check_spans(tensors: dict[str, Any], data_bytes: int) -> None:
    end = 0
    for start, stop in sorted(_span(name, tensor) for name, tensor in tensors.items()):
        if start != end:
            raise ValueError(f"tensors overlap or leave a gap at byte {end}")
        end = stop
    if end != data_bytes:
        raise ValueError(f"tensors end at byte {end} of {data_bytes}")


def _span(name: str, tensor: Any) -> tuple[int, int]:
    match tensor:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(stop)]} if (
            dtype in ITEM_BYTES
            and all(type(size) is int and size >= 0 for size in shape)
            and start >= 0
            and stop - start == math.prod(shape) * ITEM_BYTES[dtype]
        ):
            return start, stop
    raise ValueError(f"tensor {name!r:.100} is described by {tensor!r:.200}")
