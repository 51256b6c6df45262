"""The route `POST /invert`."""

import base64
import io
import json
import time
from contextlib import AsyncExitStack
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.admission.route_deadline import (
    allowed_s,
    before,
    unless_client_left,
    while_connected,
)
from mirage.service.api.content.negotiation import JSON, choose_inversion_type
from mirage.service.api.content.request_body import check_query
from mirage.service.api.content.timing import observe, server_timing
from mirage.service.api.document.invert import DESCRIPTION, invert_extra, invert_responses
from mirage.service.api.document.parts import IMAGES
from mirage.service.api.pictures.body import Posted, posted
from mirage.service.api.pictures.enlarge import measure
from mirage.service.api.pictures.inversion import Inverted, Inverter
from mirage.service.api.pictures.route import CountedRoute
from mirage.service.api.pictures.upscaler import in_thread
from mirage.service.api.state import Service, service_of
from mirage.service.errors import UnsupportedBody
from mirage.service.media.archive import Archive
from mirage.service.media.encoding import PNG, Compression, encode_png
from mirage.service.tasks.invert import batch_images
from mirage.service.tasks.larger_picture import Size
from mirage.service.tasks.requests import InvertRequest
from mirage.service.telemetry.logging import record_of

BYTES_OF_A_PIXEL = 8  # four channels at most, decoded and in those of the model
BYTES_OF_A_VALUE = 10  # images as uint8 and float32, and their differences

router = APIRouter(route_class=CountedRoute, dependencies=[Depends(check_query)])


@router.post(
    "/invert",
    summary="Find the latents of a picture",
    tags=[IMAGES],
    description=DESCRIPTION,
    response_class=Response,
    responses=invert_responses(),
    openapi_extra=invert_extra(),
)
async def invert(request: Request, fields: Annotated[InvertRequest, Query()]) -> Response:
    """Read, check, decode and invert a picture."""
    service = service_of(request)
    return await unless_client_left(service.metrics, _answer(request, service, fields))


async def _answer(request: Request, service: Service, fields: InvertRequest) -> Response:
    seconds = allowed_s(request.headers, service.settings.picture_deadline_s)
    deadline = time.monotonic() + seconds
    service.models.check_room(seconds, "generate")
    media = choose_inversion_type(",".join(request.headers.getlist("accept")))
    async with AsyncExitStack() as held:
        reading = held.enter_async_context(posted(request, service, fields))
        body = await before(deadline, reading)
        if body.is_archive:
            raise UnsupportedBody("the body is a ZIP; a single picture is allowed")
        named = body.fields.model, body.fields.version, body.seed
        lease = await before(deadline, service.models.lease(*named, "generate"))
        inverter = Inverter(service, held.enter_context(lease), body.fields, deadline)
        inverter.check_deadline()
        inverted = await before(deadline, _invert(request, service, inverter, body))
    started = time.perf_counter()
    encoding = in_thread(
        service, lambda: _encoded(media, inverter.manifest, inverted, service.settings.compression)
    )
    content = await before(deadline, encoding)
    encode_s, outcome = time.perf_counter() - started, inverted.outcome
    observe(service.metrics, inverter.manifest, inverted.images, outcome, encode_s)
    headers = _headers(inverter.manifest, inverted)
    seconds_of = outcome.queue_s, outcome.run_s, encode_s
    record_of(request).note(headers["X-Model"], inverted.images, *seconds_of)
    headers["Server-Timing"] = server_timing(outcome, encode_s)
    return Response(content, 200, headers, media)


async def _invert(
    request: Request, service: Service, inverter: Inverter, body: Posted[InvertRequest]
) -> Inverted:
    """Decode and invert a picture. The memory of both is held meanwhile."""
    measured = in_thread(service, lambda: measure(body.data, service.settings))
    size: Size = await while_connected(request, measured)
    image, pixels = inverter.manifest.image, size.height * size.width
    values = (
        image.height * image.width * image.channels * batch_images(inverter.manifest.latent_dim)
    )
    needed = BYTES_OF_A_PIXEL * pixels + BYTES_OF_A_VALUE * values
    with service.picture_memory.held(needed, beside=body.held_bytes):
        async with service.rates.charged(record_of(request), inverter.images):
            picture = await while_connected(request, inverter.decode(body.take(), pixels))
            return await while_connected(request, inverter.run(picture))


def _encoded(media: str, manifest: Manifest, inverted: Inverted, compression: Compression) -> bytes:
    """Return the body of the answer."""
    png = encode_png(inverted.found.image, compression)
    if media == PNG:
        return png
    told = _told(manifest, inverted)
    if media == JSON:
        return to_json({**told, "png": base64.b64encode(png).decode()})
    latents = io.BytesIO()
    np.lib.format.write_array(latents, inverted.found.latents[None], allow_pickle=False)
    archive = Archive()
    files = {
        "reconstruction.png": png,
        "latents.npy": latents.getvalue(),
        "inversion.json": json.dumps(told, indent=2).encode(),
    }
    return b"".join(archive.add_file(*file) for file in files.items()) + archive.end()


def _told(manifest: Manifest, inverted: Inverted) -> dict[str, Any]:
    found = inverted.found
    return {
        "model": manifest.name,
        "version": manifest.version,
        "latents": [found.latents.tolist()],
        "label": found.label,
        "class": None if found.label is None else manifest.labels[found.label],
        "error": round(found.error, 6),
        "typical_error": round(inverted.typical_error, 6),
        "images": inverted.images,
    }


def _headers(manifest: Manifest, inverted: Inverted) -> dict[str, str]:
    found = inverted.found
    label = {} if found.label is None else {"X-Label": str(found.label)}
    return {
        "X-Model": f"{manifest.name}@{manifest.version}",
        "X-Error": f"{found.error:.6f}",
        "X-Typical-Error": f"{inverted.typical_error:.6f}",
        "Vary": "Accept",
        **label,
    }
