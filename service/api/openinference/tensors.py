"""Describes the tensors of a model for the protocol, and reads their values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.interface import DType, Tensor
from mirage.bundle.format.manifest import Manifest
from mirage.service.api.openinference.schemas import (
    InferenceInput,
    ModelMetadata,
    ServerMetadata,
    TensorMetadata,
)
from mirage.service.errors import InvalidValue

Array = NDArray[Any]
ANY_NUMBER = -1


@dataclass(frozen=True)
class TensorType:
    """The storage and the allowed JSON numbers of a tensor's elements."""

    dtype: np.dtype[Any]
    numbers: frozenset[type]


DATATYPES: dict[DType, str] = {
    "float32": "FP32",
    "int64": "INT64",
    "int16": "INT16",
    "uint8": "UINT8",
}
TYPES = {
    "FP32": TensorType(np.dtype("<f4"), frozenset({int, float})),
    "INT64": TensorType(np.dtype("<i8"), frozenset({int})),
    "UINT8": TensorType(np.dtype("u1"), frozenset({int})),
}


def inputs_of(manifest: Manifest) -> list[TensorMetadata]:
    """Return the inputs of a model."""
    return [_metadata(tensor) for tensor in manifest.inputs]


def outputs_of(manifest: Manifest) -> list[TensorMetadata]:
    """Return the outputs of a model."""
    return [_metadata(tensor) for tensor in manifest.outputs]


def _metadata(tensor: Tensor) -> TensorMetadata:
    shape = [ANY_NUMBER if size is None else size for size in tensor.sizes]
    return TensorMetadata(name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=shape)


def check_tensor(given: InferenceInput, wanted: TensorMetadata, count: int) -> None:
    """Raise InvalidValue unless datatype and shape match, for `count` items."""
    if given.datatype != wanted.datatype:
        raise InvalidValue.of(
            wanted.name,
            f"datatype of {wanted.name} is {given.datatype!r:.40}; {wanted.datatype} is allowed",
        )
    shape = [count, *wanted.shape[1:]]
    if len(given.shape) != len(shape) or any(map(_is_wrong, given.shape, shape)):
        raise InvalidValue.of(
            wanted.name, f"shape of {wanted.name} is {_shown(given.shape)}; {shape} is allowed"
        )


def _is_wrong(size: int, wanted: int) -> bool:
    return size < 1 if wanted == ANY_NUMBER else size != wanted


def from_bytes(data: memoryview, name: str, datatype: str, shape: list[int]) -> Array:
    """Return a tensor of little-endian bytes, without a copy if they are aligned.

    Raises InvalidValue when they are more or fewer than the shape holds.
    """
    dtype = TYPES[datatype].dtype
    size_bytes = math.prod(shape) * dtype.itemsize
    if len(data) != size_bytes:
        raise InvalidValue.of(
            name,
            f"{name} has {len(data)} binary bytes; shape {shape} of {datatype} is {size_bytes}",
        )
    # The JSON can end at any offset, and compiled kernels may rely on aligned elements.
    return np.require(np.frombuffer(data, dtype), requirements="A").reshape(shape)


def from_json(data: list[Any], name: str, datatype: str, shape: list[int]) -> Array:
    """Return a tensor of JSON numbers, flat or nested. Raises InvalidValue otherwise."""
    if data and len(shape) > 1 and isinstance(data[0], list):
        length = shape[0]
        for size in shape[1:]:
            if {_row_length(row) for row in data} != {size} or len(data) != length:
                raise InvalidValue.of(name, f"data of {name} are not nested as shape {shape} tells")
            data, length = list(chain.from_iterable(data)), length * size
    if len(data) != math.prod(shape):
        raise InvalidValue.of(
            name, f"data of {name} are {len(data)} values; shape {shape} holds {math.prod(shape)}"
        )
    kind = TYPES[datatype]
    if not {type(value) for value in data} <= kind.numbers:
        raise InvalidValue.of(name, f"data of {name} hold other than numbers of {datatype}")
    try:
        with np.errstate(
            over="ignore"
        ):  # too large values become infinite, and are rejected as such
            return np.array(data, kind.dtype).reshape(shape)
    except OverflowError:
        raise InvalidValue.of(name, f"data of {name} hold a number beyond {datatype}") from None


def _row_length(row: object) -> int:
    return len(row) if isinstance(row, list) else ANY_NUMBER


def _shown(shape: list[int]) -> str:
    return f"{shape}" if len(str(shape)) <= 100 else f"{str(shape)[:80]}…"


DISTRIBUTION = "mirage-gan"
EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "onnxruntime_onnx"


def describe_server() -> ServerMetadata:
    """Return the metadata of the server."""
    return ServerMetadata(name="mirage", version=version(DISTRIBUTION), extensions=EXTENSIONS)


def describe_model(manifest: Manifest, versions: Sequence[int]) -> ModelMetadata:
    """Return the metadata of a model with its published versions."""
    return ModelMetadata(
        name=manifest.name,
        versions=[str(number) for number in versions],
        platform=PLATFORM,
        inputs=inputs_of(manifest),
        outputs=outputs_of(manifest),
    )
