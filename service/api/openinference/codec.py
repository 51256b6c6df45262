"""Requests and answers of the protocol as bytes: JSON, binary tensors, compression."""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.content.bounded_json import read_json
from mirage.service.api.content.request_body import JSON, OCTETS, invalid_fields
from mirage.service.api.openinference.schemas import InferenceInput, InferenceRequest, Parameters
from mirage.service.api.openinference.tensors import DATATYPES
from mirage.service.errors import BodyTooLarge, InvalidValue, Malformed, UnsupportedBody
from mirage.service.settings import Settings

# These would change the answer, so they must not be ignored like unknown extensions.
NOT_SERVED = ("shared_memory_region", "classification", "seed", "truncation")
INSTEAD = "the values of tensors may stand behind it, in binary"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ParsedRequest:
    """A parsed request that has not been checked against a model.

    `binary` has one part for each input: its bytes, or None when its values stand in the JSON.
    """

    fields: InferenceRequest
    binary: list[memoryview | None]


def parse_request(body: bytes, json_bytes: str | None, settings: Settings) -> ParsedRequest:
    """Parse a body, of which the JSON is the first `json_bytes`: the header's text, None for all.

    Raises BodyTooLarge, Malformed, InvalidValue.
    """
    length = _json_length(json_bytes, len(body))
    fields = parse_fields(body[:length], InferenceRequest, settings, INSTEAD)
    _refuse_not_served(fields)
    return ParsedRequest(fields, _split(fields.inputs, memoryview(body)[length:]))


def _json_length(header: str | None, body_bytes: int) -> int:
    if header is None:
        return body_bytes
    if not re.fullmatch("[0-9]{1,18}", header) or not 0 < int(header) <= body_bytes:
        raise Malformed(
            f"Inference-Header-Content-Length is {header!r:.40};"
            f" 1 … {body_bytes}, the bytes of the body, are allowed"
        )
    return int(header)


def parse_fields(text: bytes, model: type[M], settings: Settings, instead: str = "") -> M:
    """Parse JSON into an object of the protocol; raises BodyTooLarge, Malformed, InvalidValue.

    `instead` says what to send if the text is too large.
    """
    fields = read_json(text, settings, instead)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise invalid_fields(details) from None


def _refuse_not_served(fields: InferenceRequest) -> None:
    """Raise InvalidValue for parameters of extensions that are not supported."""
    places: Iterable[Parameters] = (
        fields.parameters,
        *(tensor.parameters for tensor in fields.inputs),
        *(tensor.parameters for tensor in fields.outputs),
    )
    for parameters in places:
        for name in NOT_SERVED:
            if name in (parameters.model_extra or {}):
                raise InvalidValue.of(name, f"parameter {name} is given; this service has no such")


def _split(inputs: list[InferenceInput], binary: memoryview) -> list[memoryview | None]:
    """Split the bytes after the JSON into those of each input. Raises InvalidValue."""
    parts: list[memoryview | None] = []
    start = 0
    for tensor in inputs:
        size_bytes = tensor.parameters.binary_data_size
        if (size_bytes is None) == (tensor.data is None):
            raise InvalidValue.of(
                "inputs", f"input {tensor.name!r:.40} needs either data or binary_data_size"
            )
        if size_bytes is None:
            parts.append(None)
        else:
            parts.append(binary[start : start + size_bytes])
            start += size_bytes
    if start != len(binary):
        raise InvalidValue.of(
            "inputs",
            f"binary_data_size of all inputs is {start}; {len(binary)} bytes follow the JSON, whose"
            " length Inference-Header-Content-Length tells",
        )
    return parts


IDENTITY = "identity"
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's numbers of the two formats; earlier wins ties
ANY = "*"
LEVEL = 1
MAX_ITEMS = 64


def request_encoding(header: str | None) -> str | None:
    """Return the encoding of a Content-Encoding header, or None. Raises UnsupportedBody."""
    encoding = (header or IDENTITY).strip().lower()
    if encoding == IDENTITY:
        return None
    if encoding not in WINDOW_BITS:
        raise UnsupportedBody(
            f"Content-Encoding is {header!r:.100}; {', '.join(WINDOW_BITS)} are allowed"
        )
    return encoding


def decompress(body: bytes, encoding: str, most: int) -> bytes:
    """Decompress a body, up to `most` bytes.

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
    """Return the preferred encoding of the client, or None."""
    wanted = _qualities(accept_encoding)
    rest = wanted.get(ANY, 0.0)
    best = max(WINDOW_BITS, key=lambda encoding: wanted.get(encoding, rest))
    return best if wanted.get(best, rest) > 0 else None


def compress(body: bytes, encoding: str) -> bytes:
    """Compress an answer at the fastest level."""
    return isal_zlib.compress(body, LEVEL, WINDOW_BITS[encoding])


def _qualities(header: str) -> dict[str, float]:
    """Return the q-values of an Accept-Encoding header by encoding; invalid ones are 0."""
    qualities = {}
    for item in header.lower().split(",")[:MAX_ITEMS]:
        encoding, _, quality = item.partition(";")
        qualities[encoding.strip()] = _quality(quality.strip())
    return qualities


def _quality(text: str) -> float:
    try:
        quality = float(text.removeprefix("q=")) if text else 1.0
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


END = b"]}]}"  # end of the JSON after the values
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Form:
    """The form of an answer; `encoding` is its compression, or None."""

    request_id: str | None
    binary: bool
    encoding: str | None


@dataclass(frozen=True)
class Packed:
    """A body and the headers that describe it."""

    body: bytes
    headers: dict[str, str]


@cache
def _decimals(dtype: np.dtype[Any]) -> NDArray[Any]:
    """The text of each value of uint8 or int16 with a comma, by its bits: "  0," … "255,".

    A table lookup per value is faster and smaller than a list of numbers.
    """
    bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    width = 4 * dtype.itemsize  # bytes of an entry; -32768 has 6
    texts = (b"%*d," % (width - 1, value) for value in bits.view(dtype).tolist())
    return np.frombuffer(b"".join(texts), f"u{width}")


def pack(rows: NDArray[Any], manifest: Manifest, form: Form) -> Packed:
    """Pack the model's output `[n, …]`, uint8 or int16."""
    packed = _binary(rows, manifest, form) if form.binary else _json(rows, manifest, form)
    if form.encoding is None:
        return packed
    encoded = {"Content-Encoding": form.encoding}
    return Packed(compress(packed.body, form.encoding), packed.headers | encoded)


def _binary(rows: NDArray[Any], manifest: Manifest, form: Form) -> Packed:
    detail = {"parameters": {"binary_data_size": rows.nbytes}}
    header = _answer(rows, manifest, form, detail)
    headers = {"Content-Type": OCTETS, HEADER_LENGTH: str(len(header))}
    return Packed(b"".join((header, np.ascontiguousarray(rows).data)), headers)


def _json(rows: NDArray[Any], manifest: Manifest, form: Form) -> Packed:
    frame = _answer(rows, manifest, form, {"data": []})
    table, bits = _decimals(rows.dtype), f"u{rows.dtype.itemsize}"
    # Item by item, for the look-up needs eight bytes a value.
    decimals = [table[np.ravel(row).view(bits)].data.cast("B") for row in rows]
    decimals[-1] = decimals[-1][:-1]
    body = b"".join((frame.removesuffix(END), *decimals, END))
    return Packed(body, {"Content-Type": JSON})


def _answer(
    rows: NDArray[Any], manifest: Manifest, form: Form, detail: Mapping[str, object]
) -> bytes:
    """The JSON object; `detail` ends it."""
    made = manifest.outputs[0]
    kind = {"name": made.name, "datatype": DATATYPES[made.dtype], "shape": list(rows.shape)}
    output = {**kind, **detail}
    answer: dict[str, object] = {
        "model_name": manifest.name,
        "model_version": str(manifest.version),
    }
    if form.request_id is not None:
        answer["id"] = form.request_id
    return to_json({**answer, "outputs": [output]})
