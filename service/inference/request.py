"""Reads the body of an inference request: a JSON object, and binary tensors behind it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from mirage.service.bodies import invalid_fields
from mirage.service.bounded_json import read_json
from mirage.service.errors import InvalidValue, Malformed
from mirage.service.inference.schemas import InferenceInput, InferenceRequest, Parameters
from mirage.service.settings import Settings

# What would change the answer, and so must not be passed over as an unknown extension.
NOT_SERVED = ("shared_memory_region", "classification", "seed", "truncation")
INSTEAD = "the values of tensors may stand behind it, in binary"


@dataclass(frozen=True)
class ParsedRequest:
    """A request, well-formed but not yet held against a model.

    `binary` has one part for each input: its bytes, or None when its values stand in the JSON.
    """

    fields: InferenceRequest
    binary: list[memoryview | None]


def parse_request(body: bytes, json_bytes: str | None, settings: Settings) -> ParsedRequest:
    """Parse a body, of which the JSON is the first `json_bytes`: the header's text, None for all.

    Raises BodyTooLarge, Malformed, InvalidValue.
    """
    length = _json_length(json_bytes, len(body))
    fields = _parse_json(body[:length], settings)
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


def _parse_json(text: bytes, settings: Settings) -> InferenceRequest:
    fields = read_json(text, settings, INSTEAD)
    try:
        return InferenceRequest.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise invalid_fields(details) from None


def _refuse_not_served(fields: InferenceRequest) -> None:
    """Raise InvalidValue for a parameter of an extension that the service does not have."""
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
    """Each input's part of the bytes behind the JSON, in order; raises InvalidValue."""
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
