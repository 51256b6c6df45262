"""Reads bodies and queries, and checks sizes and types; `tasks` checks them against a model."""

import ast
import json
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.types import Receive

from mirage.bundle.format.manifest import MAX_DIRECTIONS
from mirage.service.api.content.bounded_body import read_bounded
from mirage.service.api.content.bounded_json import read_json
from mirage.service.errors import (
    FieldError,
    InvalidValue,
    LimitExceeded,
    Malformed,
    UnsupportedBody,
)
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateInput
from mirage.service.tasks.requests import GenerateRequest, PictureRequest, Point

M = TypeVar("M", bound=BaseModel)

Query = list[tuple[str, str]]

JSON, NPY, OCTETS = "application/json", "application/x-npy", "application/octet-stream"
BODY_TYPES = (JSON, NPY, OCTETS)
MAX_ERRORS = 20
NPY_HEADER_BYTES = 1024
NPY_LENGTH_BYTES = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}  # of the header's length
FLOAT32 = np.dtype("<f4")
NUMERIC = frozenset("0123456789.+-eE")  # no words such as nan, and no underscores
MAX_DIGITS = 40  # more than any number needs
MAX_PARAMETERS = 32  # of a query; more than there are fields
LISTS = {  # the setting that bounds a list, checked before its items are
    "latents": "images_per_request",
    "labels": "images_per_request",
    "points": "frames_per_request",
}


async def read_input(
    headers: Mapping[str, str], query_string: bytes, receive: Receive, settings: Settings
) -> GenerateInput:
    """Read body and query. Names of headers are in lower case.

    Raises BodyTooLarge, UnsupportedBody, Malformed, InvalidValue; ClientDisconnect.
    """
    media_type = body_type(headers, BODY_TYPES)
    query = parse_query(query_string)
    body = await read_body(headers, receive, media_type, settings)
    return parse_input(media_type, body, query, settings)


def parse_input(
    media_type: str | None, body: bytes, query: Query, settings: Settings
) -> GenerateInput:
    """Parse a body of this type and the parameters of the query.

    Raises BodyTooLarge, UnsupportedBody, Malformed, InvalidValue.
    """
    _check_named(media_type, body, BODY_TYPES)
    if media_type in (None, JSON):
        return GenerateInput(_from_json(body, query, GenerateRequest, settings))
    latents = _from_npy(body) if media_type == NPY else _from_octets(body)
    return GenerateInput(_from_query(query, settings), latents, labels_are_text=True)


async def read_fields(request: Request, settings: Settings, model: type[M]) -> M:
    """Read a JSON body.

    Raises BodyTooLarge, UnsupportedBody, Malformed, InvalidValue.
    """
    media_type = body_type(request.headers, (JSON,))
    query = parse_query(request.scope["query_string"])
    body = await read_body(request.headers, request.receive, media_type, settings)
    _check_named(media_type, body, (JSON,))
    return _from_json(body, query, model, settings)


def parse_query(text: bytes) -> Query:
    """Parse a query string. Raises InvalidValue for too many parameters."""
    if (count := text.count(b"&") + 1) > MAX_PARAMETERS:
        raise InvalidValue(
            f"the query has {count} parameters; at most {MAX_PARAMETERS} are allowed"
        )
    return parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []


async def check_query(request: Request) -> None:
    """Raise InvalidValue for a parameter that is given twice, of which FastAPI takes the last."""
    _check_repeats(parse_query(request.scope["query_string"]))


def _check_repeats(query: Query) -> None:
    names = set()
    for name, _ in query:
        if name in names:
            raise _unknown_query(name, "it is given twice; once is allowed")
        names.add(name)


def body_type(headers: Mapping[str, str], allowed: Sequence[str]) -> str | None:
    """Return the media type of the body in lower case, or None without a type or a body.

    Without a body any type is accepted, as libraries send that of a form. Raises UnsupportedBody.
    """
    if _is_bodiless(headers):
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        return media_type if media_type in allowed else None
    if (encoding := headers.get("content-encoding", "identity").lower()) != "identity":
        raise UnsupportedBody(f"Content-Encoding is {encoding!r:.100}; none is allowed")
    header = headers.get("content-type")
    if header is None:
        return None
    media_type = header.partition(";")[0].strip().lower()
    if media_type not in allowed:
        raise UnsupportedBody(
            f"Content-Type is {media_type!r:.100}; allowed are {', '.join(allowed)}"
        )
    return media_type


def _is_bodiless(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that there is no body."""
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


def _check_named(media_type: str | None, body: bytes, allowed: Sequence[str]) -> None:
    if media_type is None and body:
        raise UnsupportedBody(f"Content-Type is missing; allowed are {', '.join(allowed)}")


async def read_body(
    headers: Mapping[str, str], receive: Receive, media_type: str | None, settings: Settings
) -> bytes:
    """Read the body, up to the limit of the settings for its type.

    Raises BodyTooLarge, and ClientDisconnect if the client disconnects before its end.
    """
    most = most_bytes(media_type, settings)
    of_json = f" of JSON; {_instead(settings.body_bytes)}" if most < settings.body_bytes else ""
    return await read_bounded(headers, receive, most, of_json)


def most_bytes(media_type: str | None, settings: Settings) -> int:
    """Return the size limit of bodies of this type, in bytes."""
    is_json = media_type in (None, JSON)
    return min(settings.json_bytes, settings.body_bytes) if is_json else settings.body_bytes


def _instead(body_bytes: int) -> str:
    return f"latents may be sent as {NPY} or {OCTETS}, up to {body_bytes} bytes"


def _from_json(body: bytes, query: Query, model: type[M], settings: Settings) -> M:
    if query:
        raise _unknown_query(query[0][0], "beside a JSON body no query parameter is allowed")
    fields = read_json(body, settings, _instead(settings.body_bytes)) if body.strip() else {}
    return _validated(fields, model, settings)


def _from_query(query: Query, settings: Settings) -> GenerateRequest:
    """Parse the query beside a body of latents. Each field may occur once."""
    _check_repeats(query)
    fields = {name: _query_value(name, text) for name, text in query}
    if "latents" in fields:
        raise _unknown_query("latents", "the body holds the latents")
    return _validated(fields, GenerateRequest, settings)


def _query_value(name: str, text: str) -> object:
    """The text of a query parameter in its field's type, or as it is when it is none such."""
    if name == "labels":
        parts = text.split(",")
        return parts if len(parts) > 1 else text
    if name in ("count", "index", "version") and re.fullmatch("[0-9]{1,40}", text):
        return int(text)
    if name == "directions":
        return _amounts(text)
    if name == "truncation" and (number := _number(text)) is not None:
        return number
    return text


def _amounts(text: str) -> dict[str, float]:
    """`0:1.5,smile:-2` as a mapping, in time that grows with the text alone; raises
    InvalidValue.
    """
    if text.count(",") >= MAX_DIRECTIONS:
        raise InvalidValue.of(
            "directions",
            f"directions are {text.count(',') + 1}; at most {MAX_DIRECTIONS} are allowed",
        )
    amounts: dict[str, float] = {}
    for pair in text.split(","):
        index, _, amount = pair.partition(":")
        number = _number(amount)
        if number is None or index in amounts:
            raise InvalidValue.of(
                "directions",
                f"directions are {text!r:.100}; a query has index:amount for each, or"
                " name:amount, once, with commas between, such as 0:1.5,smile:-2",
            )
        amounts[index] = number
    return amounts


def _number(text: str) -> float | None:
    """The number that a text says in decimal, None for none."""
    if len(text) > MAX_DIGITS or not NUMERIC.issuperset(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _unknown_query(name: str, message: str) -> InvalidValue:
    return InvalidValue.of(f"{name:.100}", f"query parameter {name!r:.100}: {message}")


def _validated(fields: object, model: type[M], settings: Settings) -> M:
    if isinstance(fields, dict):
        _check_lists(fields, settings)
    try:
        # What `model_validate` calls, without the checks of its own options: half the time.
        checked: M = model.__pydantic_validator__.validate_python(fields)
        return checked
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise invalid_fields(details, model) from None


def _check_lists(fields: dict[str, Any], settings: Settings) -> None:
    """Raise LimitExceeded for a list of more items than the settings allow."""
    for name, setting in LISTS.items():
        value = fields.get(name)
        if isinstance(value, list) and len(value) > (most := getattr(settings, setting)):
            raise LimitExceeded.of(
                name, f"{name} are a list of {len(value)}; at most {most} are allowed"
            )


def invalid_fields(
    details: Iterable[ErrorDetails],
    model: type[BaseModel] = GenerateRequest,
    query: type[BaseModel] = PictureRequest,
) -> InvalidValue:
    """One error for all bad fields, each with its name, its value and what is allowed.

    `query` has the allowed query parameters.
    """
    nested: dict[str, type[BaseModel]] = {"points": Point, "query": query}
    errors = [_field_error(detail, model, nested) for detail in details]
    shown = errors[:MAX_ERRORS]
    return InvalidValue("; ".join(error["msg"] for error in shown[:3]), errors=shown)


def _field_error(
    detail: ErrorDetails,
    model: type[BaseModel],
    nested: Mapping[str, type[BaseModel]],
) -> FieldError:
    loc = [part if isinstance(part, int) else f"{part:.100}" for part in detail["loc"]]
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    name = parts.removeprefix(".") or "the body"
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    if detail["type"] == "model_type":
        message = "a JSON object is allowed"
    if detail["type"] == "extra_forbidden":
        allowed = ", ".join((model if len(loc) == 1 else nested[str(loc[0])]).model_fields)
        return {"loc": list(loc), "msg": f"{name} is no field; allowed are {allowed}"}
    if detail["type"] == "missing":
        return {"loc": list(loc), "msg": f"{name} is absent; it is needed"}
    return {"loc": list(loc), "msg": f"{name} is {_shown(detail['input'])}; {message}"}


def _shown(value: object) -> str:
    """A value as JSON, cut short; it may be huge."""
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        return f"{kind} of {len(value)}"
    text = json.dumps(value if not isinstance(value, str) else value[:80])
    return text if len(text) <= 100 else f"{text[:80]}…"


def _from_npy(body: bytes) -> NDArray[np.float32]:
    """The array of a `.npy` file; raises Malformed for no such file, InvalidValue for others."""
    try:
        header, start = _npy_header(body)
        dtype, fortran, shape = (header[key] for key in ("descr", "fortran_order", "shape"))
        sizes = [operator.index(size) for size in shape]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise Malformed("the body is no .npy file of version 1.0 or 2.0") from None
    # No rows, or no columns, agree with any number of the others, however large.
    if dtype != FLOAT32.str or fortran or len(sizes) != 2 or min(sizes) < 1:
        raise InvalidValue.of(
            "latents",
            f"latents are {dtype!r:.40} of shape {shape!r:.60} in {'Fortran' if fortran else 'C'}"
            " order; little-endian float32 ('<f4') [n ≥ 1, latent_dim] in C order is allowed",
        )
    data_bytes = len(body) - start
    if data_bytes != math.prod(sizes) * FLOAT32.itemsize:
        raise Malformed(f"the .npy file says shape {shape!r:.60}, but holds {data_bytes} bytes")
    # Aligned as NumPy writes it, this copies nothing.
    latents = np.frombuffer(body, FLOAT32, offset=start)
    return np.require(latents, requirements="A").reshape(sizes)


def _npy_header(body: bytes) -> tuple[dict[str, Any], int]:
    """The header of a `.npy` file and where its data begin.

    Raises whatever a broken one makes Python raise.

    NumPy's own reader would warn about odd headers and evaluate unbounded ones.
    """
    width = NPY_LENGTH_BYTES[body[:8]]
    start = 8 + width
    stop = start + int.from_bytes(body[8:start], "little")
    if not start < stop <= min(len(body), NPY_HEADER_BYTES):
        raise ValueError("the header is cut short, or too long")
    return ast.literal_eval(body[start:stop].decode("latin-1").strip()), stop


def _from_octets(body: bytes) -> NDArray[np.float32]:
    if len(body) % FLOAT32.itemsize:
        raise InvalidValue.of(
            "latents", f"the body has {len(body)} bytes; a multiple of 4 · latent_dim is allowed"
        )
    return np.frombuffer(body, FLOAT32)
