"""The routes `POST /upscale` and `POST /translate`."""

import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mirage.bundle.format.manifest import Task
from mirage.service.api.admission.route_deadline import (
    allowed_s,
    before,
    unless_client_left,
    while_connected,
)
from mirage.service.api.content.negotiation import choose_picture_type
from mirage.service.api.content.request_body import check_query
from mirage.service.api.content.streaming import Stream
from mirage.service.api.content.timing import server_timing
from mirage.service.api.document.parts import IMAGES
from mirage.service.api.document.picture import (
    TRANSLATE,
    UPSCALE,
    picture_extra,
    picture_responses,
)
from mirage.service.api.pictures.archive import EnlargedArchive, Entry, survey
from mirage.service.api.pictures.body import Posted, posted
from mirage.service.api.pictures.enlarge import Enlargement, Part, measure
from mirage.service.api.pictures.tally import Tally
from mirage.service.api.pictures.upscaler import Upscaler, in_thread, upscaler_of
from mirage.service.api.security.middleware import CountRequests
from mirage.service.api.state import Service, service_of
from mirage.service.media.unzip import Unzip
from mirage.service.tasks.larger_picture import Wanted, plain, settle_scale
from mirage.service.tasks.requests import PictureRequest, TranslateRequest, UpscaleRequest
from mirage.service.telemetry.logging import record_of

T = TypeVar("T")


class CountedRoute(APIRoute):
    """A route whose answers are counted and timed in the metrics."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request for this path."""
        metrics = scope["app"].state.service.metrics
        await CountRequests(super().handle, metrics)(scope, receive, send)


router = APIRouter(route_class=CountedRoute, dependencies=[Depends(check_query)])


@router.post(
    "/upscale",
    summary="Enlarge a picture",
    tags=[IMAGES],
    description=UPSCALE,
    response_class=Response,
    responses=picture_responses("enlarged", "icon-x4@1", "4"),
    openapi_extra=picture_extra(UpscaleRequest),
)
async def upscale(request: Request, fields: Annotated[UpscaleRequest, Query()]) -> Response:
    """Read, check, decode, enlarge and encode pictures."""
    service = service_of(request)
    answer = _answer(request, service, fields, "upscale")
    return await unless_client_left(service.metrics, answer)


@router.post(
    "/translate",
    summary="Draw a picture in another style",
    tags=[IMAGES],
    description=TRANSLATE,
    response_class=Response,
    responses=picture_responses("translated", "openmoji-style@1", "1"),
    openapi_extra=picture_extra(TranslateRequest),
)
async def translate(request: Request, fields: Annotated[TranslateRequest, Query()]) -> Response:
    """Read, check, decode, translate and encode pictures."""
    service = service_of(request)
    answer = _answer(request, service, fields, "translate")
    return await unless_client_left(service.metrics, answer)


async def _answer(
    request: Request, service: Service, fields: PictureRequest, task: Task
) -> Response:
    seconds = allowed_s(request.headers, service.settings.picture_deadline_s)
    deadline = time.monotonic() + seconds
    service.models.check_room(seconds, task)
    async with AsyncExitStack() as held:
        reading = held.enter_async_context(posted(request, service, fields))
        body = await before(deadline, reading)
        named = body.fields.model, body.fields.version, body.seed
        upscaler = await held.enter_async_context(upscaler_of(service, deadline, *named, task))
        accept = ",".join(request.headers.getlist("accept"))
        media = choose_picture_type(accept, is_archive=body.is_archive)
        wanted_scale = body.fields.scale if isinstance(body.fields, UpscaleRequest) else None
        scale = settle_scale(wanted_scale, upscaler.name, upscaler.model)
        wanted = Wanted(scale, media, service.settings.compression)
        answer = _many if body.is_archive else _one
        return await answer(request, upscaler, body, wanted, held)


async def _one(
    request: Request,
    upscaler: Upscaler,
    body: Posted[PictureRequest],
    wanted: Wanted,
    held: AsyncExitStack,
) -> Response:
    """Answer a picture: at once if it fits one row of tiles, otherwise as a stream."""
    service = upscaler.service
    measured = in_thread(service, lambda: measure(body.data, service.settings))
    size = await _awaited(request, upscaler, measured)
    enlargement = Enlargement(upscaler, size, wanted)
    memory = service.picture_memory
    held.enter_context(memory.held(wanted.held_bytes(size), beside=body.held_bytes))
    tally = Tally(upscaler, record_of(request))
    headers = _headers(upscaler, wanted)
    async with service.rates.charged(tally.record, enlargement.images):
        await _awaited(request, upscaler, enlargement.decode(body.take))
        parts = enlargement.parts()
        held.push_async_callback(parts.aclose)
        if enlargement.has_parts:
            first = await _awaited(request, upscaler, anext(parts))
            return Stream(tally.counted(first, parts), headers, wanted.media, held.pop_all())
        made = await _awaited(request, upscaler, _collected(parts))
    tally.done(made[-1])
    headers["Server-Timing"] = server_timing(made[-1].outcome, made[-1].encode_s)
    return Response(b"".join(part.data for part in made), 200, headers, wanted.media)


async def _many(
    request: Request,
    upscaler: Upscaler,
    body: Posted[PictureRequest],
    wanted: Wanted,
    held: AsyncExitStack,
) -> Response:
    """Answer an archive as a stream."""
    service, settings = upscaler.service, upscaler.service.settings

    def open_archive() -> tuple[Unzip, list[Entry]]:
        archive = Unzip(body.data, settings.images_per_request, settings.picture_bytes)
        return archive, survey(archive, settings)

    archive, entries = await _awaited(request, upscaler, in_thread(service, open_archive))
    held.callback(archive.close)
    enlarged = EnlargedArchive(upscaler, archive, entries, wanted.scale)
    memory = service.picture_memory
    held.enter_context(memory.held(enlarged.held_bytes, beside=body.held_bytes))
    parts = enlarged.parts()
    held.push_async_callback(parts.aclose)
    tally = Tally(upscaler, record_of(request), len(enlarged.sizes))
    async with service.rates.charged(tally.record, enlarged.images):
        first = await _awaited(request, upscaler, anext(parts))
    headers = _headers(upscaler, wanted)
    return Stream(tally.counted(first, parts), headers, wanted.media, held.pop_all())


def _headers(upscaler: Upscaler, wanted: Wanted) -> dict[str, str]:
    """Return the headers of all answers."""
    return {
        "X-Model": upscaler.name,
        "X-Scale": plain(wanted.scale),
        "Vary": "Accept",
    }


async def _awaited(request: Request, upscaler: Upscaler, job: Coroutine[Any, Any, T]) -> T:
    """Await a job until the deadline, or until the client disconnects."""
    return await before(upscaler.deadline, while_connected(request, job))


async def _collected(parts: AsyncGenerator[Part]) -> list[Part]:
    return [part async for part in parts]
