"""Scan of serialized ONNX field by field, before protobuf parses it and allocates memory.

Only the fields in `ALLOWED_FIELDS` are accepted. This excludes external data, functions, subgraphs,
sparse tensors, strings in tensors, training information, and fields of later ONNX versions.
"""

from collections.abc import Container, Iterator
from typing import Any

from onnx import ModelProto

from mirage.bundle.errors import BundleError

ALLOWED_FIELDS = {
    "ModelProto": """ir_version producer_name producer_version domain model_version doc_string graph
        opset_import metadata_props""".split(),
    "GraphProto": """node name initializer doc_string input output value_info
        metadata_props""".split(),
    "NodeProto": "input output name op_type domain attribute doc_string metadata_props".split(),
    "AttributeProto": "name type doc_string f i s t floats ints strings".split(),
    "TensorProto": """dims data_type raw_data float_data int32_data int64_data name doc_string
        data_location""".split(),
    "ValueInfoProto": ["name", "type", "doc_string", "metadata_props"],
    "TypeProto": ["tensor_type", "denotation"],
    "TypeProto.Tensor": ["elem_type", "shape"],
    "TensorShapeProto": ["dim"],
    "TensorShapeProto.Dimension": ["dim_value", "dim_param", "denotation"],
    "OperatorSetIdProto": ["domain", "version"],
    "StringStringEntryProto": ["key", "value"],
}
MEANINGS = {
    "external_data": "external data",
    "functions": "functions",
    "g": "subgraphs",
    "graphs": "subgraphs",
    "sparse_initializer": "sparse tensors",
    "sparse_tensor": "sparse tensors",
    "sparse_tensors": "sparse tensors",
}
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


def check_wire(model: bytes, field_limit: int, extra: Container[str] = ()) -> None:
    """Check a serialized ModelProto for unknown fields and for too many fields.

    extra: full names of fields that are allowed as well, such as `TensorProto.external_data`.
    Raises BundleError `graph_unreadable`, `graph_feature` or `graph_too_large`.
    """
    fields = 0
    for weight in _weights(model, 0, len(model), ModelProto.DESCRIPTOR, extra):
        fields += weight
        if fields > field_limit:
            raise BundleError(
                "graph_too_large", f"model.onnx has more than {field_limit} fields, the limit"
            )


def _weights(
    raw: bytes, start: int, end: int, message: Any, extra: Container[str]
) -> Iterator[int]:
    """Yield a weight for each field, recursively: the bytes of packed integers, otherwise 1."""
    while start < end:
        key, start = _varint(raw, start, end)
        field, kind = _allowed_field(message, key >> 3, extra), key & 7
        if kind == VARINT:
            _, start = _varint(raw, start, end)
            yield 1
            continue
        size, start = _size(raw, start, end, kind)
        if kind == LENGTH and field.message_type:
            yield from _weights(raw, start, start + size, field.message_type, extra)
        if kind == LENGTH and field.type == field.TYPE_STRING:
            _check_text(raw[start : start + size], f"{message.name}.{field.name}")
        yield max(1, size) if kind == LENGTH and _is_integer(field) else 1
        start += size


def _allowed_field(message: Any, number: int, extra: Container[str]) -> Any:
    name = message.full_name.removeprefix("onnx.")
    field = message.fields_by_number.get(number)
    if field is not None and f"{name}.{field.name}" in extra:
        return field
    if field is None or field.name not in ALLOWED_FIELDS[name]:
        known = field.name if field else f"field {number}"
        meaning = MEANINGS.get(known, "this")
        raise BundleError(
            "graph_feature", f"model.onnx has {name}.{known}: {meaning} is not allowed in a bundle"
        )
    return field


def _check_text(text: bytes, name: str) -> None:
    """Raise BundleError for a string that is not UTF-8, which protobuf would return as bytes."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise BundleError("graph_unreadable", f"model.onnx: {name} is not UTF-8") from None


def _is_integer(field: Any) -> bool:
    """Whether a packed field has varints, of which each byte may become one item."""
    return field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64, field.CPPTYPE_UINT64)


def _size(raw: bytes, start: int, end: int, kind: int) -> tuple[int, int]:
    """The size of a field's value in bytes, and its start."""
    if kind == LENGTH:
        size, start = _varint(raw, start, end)
    elif kind in FIXED_BYTES:
        size = FIXED_BYTES[kind]
    else:
        raise BundleError("graph_unreadable", f"model.onnx is no ONNX: wire type {kind}")
    if start + size > end:
        raise _cut_short(end)
    return size, start


def _varint(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """The number at `start`, and the position after it."""
    value = 0
    for digit, position in enumerate(range(start, min(start + 10, end))):
        value |= (raw[position] & 0x7F) << (7 * digit)
        if raw[position] < 0x80:
            return value, position + 1
    raise _cut_short(end)


def _cut_short(end: int) -> BundleError:
    return BundleError("graph_unreadable", f"model.onnx is no ONNX, or cut short at byte {end}")
