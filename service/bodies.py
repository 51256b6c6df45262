"""Reads the body and the query of a generate request; bounds first, and no meaning yet."""

import ast
import json
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.requests import Request

from mirage.service.errors import BodyTooLarge, FieldError, InvalidValue, Malformed, UnsupportedBody
from mirage.service.schemas import GenerateRequest, Point

M = TypeVar("M", bound=BaseModel)

Query = list[tuple[str, str]]

JSON, NPY, OCTETS = "application/json", "application/x-npy", "application/octet-stream"
BODY_TYPES = (JSON, NPY, OCTETS)
NESTED: dict[str | int, type[BaseModel]] = {"points": Point}
MOST_ERRORS = 20
NPY_HEADER_BYTES = 1024
NPY_LENGTH_BYTES = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}  # of the header's length
FLOAT32 = np.dtype("<f4")
NUMBER = r"-?[0-9]{0,40}\.?[0-9]{1,40}(e-?[0-9]{1,3})?"
AMOUNTS = rf"[0-9]{{1,9}}:{NUMBER}(,[0-9]{{1,9}}:{NUMBER}){{0,99}}"  # 0:1.5,3:-2


@dataclass(frozen=True)
class Demand:
    """What a client asks for, well-formed but not yet held against a model.

    `latents` is float32 `[n, d]` from an array or `[n · d]` from bare octets. Labels from a query
    are text: class names first, then indices.
    """

    fields: GenerateRequest
    latents: NDArray[np.float32] | None = None
    labels_are_text: bool = False


async def read_demand(request: Request, body_bytes: int) -> Demand:
    """Read body and query.

    Raises BodyTooLarge, UnsupportedBody, Malformed, InvalidValue.
    """
    media_type = body_type(request.headers, BODY_TYPES)
    body = await read_body(request, body_bytes)
    return parse_demand(media_type, body, request.query_params.multi_items())


def parse_demand(media_type: str | None, body: bytes, query: Query) -> Demand:
    """What a body of this type and the parameters of its query ask for.

    Raises UnsupportedBody, Malformed, InvalidValue.
    """
    _check_named(media_type, body, BODY_TYPES)
    if media_type in (None, JSON):
        return Demand(_from_json(body, query, GenerateRequest))
    latents = _from_npy(body) if media_type == NPY else _from_octets(body)
    return Demand(_from_query(query), latents, labels_are_text=True)


async def read_fields(request: Request, body_bytes: int, model: type[M]) -> M:
    """Read a body that can only be JSON.

    Raises BodyTooLarge, UnsupportedBody, Malformed, InvalidValue.
    """
    media_type = body_type(request.headers, (JSON,))
    body = await read_body(request, body_bytes)
    _check_named(media_type, body, (JSON,))
    return _from_json(body, request.query_params.multi_items(), model)


def body_type(headers: Mapping[str, str], allowed: Sequence[str]) -> str | None:
    """The body's type in lower case without parameters; None when the client names none.

    Raises UnsupportedBody.
    """
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


def _check_named(media_type: str | None, body: bytes, allowed: Sequence[str]) -> None:
    if media_type is None and body:
        raise UnsupportedBody(f"Content-Type is missing; allowed are {', '.join(allowed)}")


async def read_body(request: Request, most: int) -> bytes:
    """The body, but never more than `most` bytes of it, whatever its headers say.

    Raises BodyTooLarge.
    """
    announced = request.headers.get("content-length", "")
    size = int(announced) if re.fullmatch("[0-9]{1,18}", announced) else 0
    chunks: list[bytes] = []
    if size <= most:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                break
            chunks.append(chunk)
    if size > most:
        raise BodyTooLarge(f"the body has {size} bytes or more; at most {most} are allowed")
    return b"".join(chunks)


def _from_json(body: bytes, query: Query, model: type[M]) -> M:
    if query:
        raise _unknown_query(query[0][0], "beside a JSON body no query parameter is allowed")
    try:
        fields = from_json(body, allow_inf_nan=False) if body.strip() else {}
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    return _validated(fields, model)


def _from_query(query: Query) -> GenerateRequest:
    """The fields beside a body of latents, each of them once."""
    fields: dict[str, Any] = {}
    for name, text in query:
        if name in fields:
            raise _unknown_query(name, "it is given twice; once is allowed")
        fields[name] = _query_value(name, text)
    if "latents" in fields:
        raise _unknown_query("latents", "the body holds the latents")
    return _validated(fields, GenerateRequest)


def _amounts(text: str) -> dict[str, float] | str:
    """`0:1.5,3:-2` as a mapping; the text as it is when an index stands there twice."""
    pairs = [pair.split(":") for pair in text.split(",")]
    amounts = {index: float(amount) for index, amount in pairs}
    return amounts if len(amounts) == len(pairs) else text


def _query_value(name: str, text: str) -> object:
    """The text of a query parameter in its field's type, or as it is when it is none such."""
    if name == "labels":
        parts = text.split(",")
        return parts if len(parts) > 1 else text
    if name in ("count", "index", "version") and re.fullmatch("[0-9]{1,40}", text):
        return int(text)
    if name == "directions" and re.fullmatch(AMOUNTS, text):
        return _amounts(text)
    if name == "truncation" and re.fullmatch(r"[0-9]{0,40}\.?[0-9]{1,40}(e-?[0-9]{1,3})?", text):
        return float(text)
    return text


def _unknown_query(name: str, message: str) -> InvalidValue:
    return InvalidValue.of(f"{name:.100}", f"query parameter {name!r:.100}: {message}")


def _validated(fields: object, model: type[M]) -> M:
    try:
        # What `model_validate` calls, without the checks of its own options: half the time.
        checked: M = model.__pydantic_validator__.validate_python(fields)
        return checked
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise invalid_fields(details, model) from None


def invalid_fields(
    details: Iterable[ErrorDetails], model: type[BaseModel] = GenerateRequest
) -> InvalidValue:
    """One error for all bad fields, each with its name, its value and what is allowed."""
    errors = [_field_error(detail, model) for detail in details]
    shown = errors[:MOST_ERRORS]
    return InvalidValue("; ".join(error["msg"] for error in shown[:3]), errors=shown)


def _field_error(detail: ErrorDetails, model: type[BaseModel]) -> FieldError:
    loc = [part if isinstance(part, int) else f"{part:.100}" for part in detail["loc"]]
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    name = parts.removeprefix(".") or "the body"
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    if detail["type"] == "extra_forbidden":
        allowed = ", ".join((model if len(loc) == 1 else NESTED[loc[0]]).model_fields)
        return {"loc": list(loc), "msg": f"{name} is no field; allowed are {allowed}"}
    if detail["type"] == "missing":
        return {"loc": list(loc), "msg": f"{name} is absent; it is needed"}
    return {"loc": list(loc), "msg": f"{name} is {_shown(detail['input'])}; {message}"}


def _shown(value: object) -> str:
    """A value as JSON, cut short; it may be huge."""
    if isinstance(value, list | dict):
        kind = "list" if isinstance(value, list) else "object"
        return f"a {kind} of {len(value)}"
    text = json.dumps(value if not isinstance(value, str) else value[:80])
    return text if len(text) <= 100 else f"{text[:80]}…"


def _from_npy(body: bytes) -> NDArray[np.float32]:
    """The array of a `.npy` file; raises Malformed for no such file, InvalidValue for others."""
    try:
        header, data = _split_npy(body)
        dtype, fortran, shape = (header[key] for key in ("descr", "fortran_order", "shape"))
        sizes = [operator.index(size) for size in shape]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise Malformed("the body is no .npy file of version 1.0 or 2.0") from None
    if dtype != FLOAT32.str or fortran or len(sizes) != 2 or min(sizes) < 0:
        raise InvalidValue.of(
            "latents",
            f"latents are {dtype!r:.40} of shape {shape!r:.60} in {'Fortran' if fortran else 'C'}"
            " order; little-endian float32 ('<f4') [n, latent_dim] in C order is allowed",
        )
    if len(data) != math.prod(sizes) * FLOAT32.itemsize:
        raise Malformed(f"the .npy file says shape {shape!r:.60}, but holds {len(data)} bytes")
    return np.frombuffer(data, FLOAT32).reshape(sizes)


def _split_npy(body: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a `.npy` file; raises whatever a broken one makes Python raise.

    NumPy's own reader would warn about odd headers and evaluate unbounded ones.
    """
    width = NPY_LENGTH_BYTES[body[:8]]
    start = 8 + width
    stop = start + int.from_bytes(body[8:start], "little")
    if not start < stop <= min(len(body), NPY_HEADER_BYTES):
        raise ValueError("the header is cut short, or too long")
    return ast.literal_eval(body[start:stop].decode("latin-1").strip()), body[stop:]


def _from_octets(body: bytes) -> NDArray[np.float32]:
    if len(body) % FLOAT32.itemsize:
        raise InvalidValue.of(
            "latents", f"the body has {len(body)} bytes; a multiple of 4 · latent_dim is allowed"
        )
    return np.frombuffer(body, FLOAT32)
