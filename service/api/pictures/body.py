"""Reads bodies with pictures: a picture, a ZIP of pictures, or a form."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from mirage.service.api.admission.route_deadline import while_connected
from mirage.service.api.content.bounded_body import announced_bytes, read_bounded
from mirage.service.api.content.form import FORM, parse_form
from mirage.service.api.content.request_body import (
    OCTETS,
    body_type,
    invalid_fields,
)
from mirage.service.api.pictures.upscaler import in_thread
from mirage.service.api.state import Service
from mirage.service.errors import InvalidValue
from mirage.service.media.encoding import JPEG, PNG, WEBP, ZIP

Parameters = TypeVar("Parameters", bound=BaseModel)  # of a query or a form, as text

CURL = "application/x-www-form-urlencoded"  # what curl says of any file unless told otherwise
ZIPS = (ZIP, "application/x-zip-compressed")
SILENT = (None, OCTETS, CURL)  # types that say nothing: the first bytes decide
BODY_TYPES = (PNG, JPEG, WEBP, "image/jpg", OCTETS, ZIP, *ZIPS[1:], FORM, CURL)
PICTURE = "picture"  # of a form
EXPLANATION = " of pictures; send a smaller one, or several requests"


@dataclass
class Posted(Generic[Parameters]):
    """The bytes of a picture or of a ZIP of pictures, and the parameters.

    `seed`, a hash of the bytes, selects the canary. `held_bytes` is the memory that is held for
    the body.
    """

    data: bytes
    is_archive: bool
    fields: Parameters
    seed: int
    held_bytes: int = 0

    def take(self) -> bytes:
        """Return the bytes and forget them, so that the caller may free them."""
        data, self.data = self.data, b""
        return data


@asynccontextmanager
async def posted(
    request: Request, service: Service, fields: Parameters
) -> AsyncIterator[Posted[Parameters]]:
    """Read the body, and hold its memory for the duration of the block.

    `fields` are the query parameters. Raises BodyTooLarge, UnsupportedBody, Malformed,
    InvalidValue, Overloaded and ClientDisconnect.
    """
    headers, most = request.headers, service.settings.picture_bytes
    media_type = body_type(headers, BODY_TYPES)
    announced = announced_bytes(headers)
    size_bytes = most if announced is None else min(announced, most)
    with service.picture_memory.held(size_bytes):
        body = await _read(request, service, media_type, fields)
        body.held_bytes = size_bytes
        yield body


async def _read(
    request: Request, service: Service, media_type: str | None, fields: Parameters
) -> Posted[Parameters]:
    most, content_type = service.settings.picture_bytes, request.headers.get("content-type", "")
    body = await read_bounded(request.headers, request.receive, most, EXPLANATION)
    parsed = in_thread(service, lambda: _parse(media_type, content_type, body, fields))
    return await while_connected(request, parsed)


def _parse(
    media_type: str | None, content_type: str, body: bytes, fields: Parameters
) -> Posted[Parameters]:
    if media_type == FORM:
        body, fields = _from_form(parse_form(body, content_type), fields)
        media_type = None
    if media_type in SILENT and body.startswith(b"PK\3\4"):
        media_type = ZIP
    seed = int.from_bytes(hashlib.sha256(body).digest())
    return Posted(body, media_type in ZIPS, fields, seed)


def _from_form(form: dict[str, bytes], query: Parameters) -> tuple[bytes, Parameters]:
    if (body := form.pop(PICTURE, None)) is None:
        names = ", ".join(form)
        raise InvalidValue.of(
            PICTURE, f"picture is absent from the form, which has {names or 'nothing':.200}"
        )
    given = query.model_dump(exclude_none=True)
    for name in form:
        if name in given:
            raise InvalidValue.of(name, f"{name} is given in the query and in the form")
    try:
        texts = {name: value.decode("utf-8", "replace") for name, value in form.items()}
        return body, type(query).model_validate({**given, **texts})
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise invalid_fields(details, type(query)) from None
