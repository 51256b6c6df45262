"""The paths of the service: plain functions that put its parts in a row."""

import asyncio
import functools
import re
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from service.bodies import read_demand
from service.catalogue import ModelDetail, ModelList, describe_model, list_known
from service.entry import Outcome
from service.errors import DeadlinePassed, Draining, Malformed, NotReady
from service.negotiation import Layout, choose_type
from service.responses import Made, Packed, pack
from service.schemas import Problem, Status
from service.state import Service, service_of
from service.work import make_work

T = TypeVar("T")
CLIENT_LEFT = 499  # nobody reads it; it is what the metrics count
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter()


async def generate(request: Request) -> Response:
    """Make images: read, check, queue, encode, answer. Stands in the document by hand."""
    service = service_of(request)
    try:
        return await _answer(request, service)
    except ClientDisconnect:
        service.metrics.abandoned.inc()
        return Response(status_code=CLIENT_LEFT)


@router.get("/models", summary="List the models")
async def get_models(request: Request) -> ModelList:
    """All models in the models folder, with what is published and what is released."""
    return await list_known(service_of(request))


@router.get("/models/{name}", summary="Describe a model", responses={404: {"model": Problem}})
async def get_model(request: Request, name: str) -> ModelDetail:
    """One model: its versions in memory, and what its images' bytes depend on."""
    return await describe_model(service_of(request), name)


@router.get("/healthz", summary="Is the process alive?")
async def get_health() -> Status:
    """Answered as long as the process answers anything."""
    return Status(status="alive")


@router.get("/readyz", summary="Is it able to serve?", responses={503: {"model": Problem}})
async def get_readiness(request: Request) -> Status:
    """503 before the models are loaded and from the signal to stop on."""
    service = service_of(request)
    if service.draining:
        raise Draining("the service is stopping", retry_after_s=1)
    if not service.ready:
        raise NotReady("the models are being loaded", retry_after_s=1)
    return Status(status="ready")


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Prometheus' text format."""
    return Response(service_of(request).metrics.exposition(), media_type=PROMETHEUS_TEXT)


@router.get("/", include_in_schema=False)
async def get_root() -> Response:
    """The way to the documentation."""
    return RedirectResponse("/docs")


async def _answer(request: Request, service: Service) -> Response:
    settings = service.settings
    deadline = time.monotonic() + _allowed_s(request, settings.deadline_s)
    demand = await _before(deadline, read_demand(request, settings.body_bytes))
    fields = demand.fields
    served = await _before(deadline, service.models.find(fields.model, fields.version))
    work = make_work(demand, served.manifest, settings)
    accept = ",".join(request.headers.getlist("accept"))
    media = choose_type(accept, work.count, fields.layout)
    outcome = await _while_connected(request, served.generate(work, deadline))
    made = Made(served.manifest, work, outcome.rows)
    packed, encode_s = await _packed(service, media, made, fields.layout)
    _observe(service, made, outcome, encode_s)
    return Response(packed.body, 200, _headers(made, outcome, encode_s), packed.media_type)


def _allowed_s(request: Request, most_s: float) -> float:
    """The seconds that the client allows, capped; raises Malformed."""
    header = request.headers.get("x-deadline-ms")
    if header is None:
        return most_s
    if not re.fullmatch("0*[1-9][0-9]{0,99}", header.strip()):
        raise Malformed(f"X-Deadline-Ms is {header!r:.100}; an integer of at least 1 is allowed")
    return min(most_s, int(header) / 1000)


async def _before(deadline: float, job: Awaitable[T]) -> T:
    """Wait for a job until the deadline; raises DeadlinePassed."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await job
    except TimeoutError:
        raise DeadlinePassed("the deadline passed before the request was understood") from None


async def _while_connected(request: Request, job: Coroutine[Any, Any, T]) -> T:
    """Wait for a job until the client leaves; raises ClientDisconnect then, and cancels it."""
    work = asyncio.create_task(job)
    leaving = asyncio.create_task(_client_left(request))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        leaving.cancel()


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _packed(service: Service, media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    """The body, made on an encoding thread, and the seconds that it took there."""
    loop = asyncio.get_running_loop()
    job = functools.partial(_timed_pack, media, made, layout)
    return await loop.run_in_executor(service.encoders, job)


def _timed_pack(media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    started = time.perf_counter()
    packed = pack(media, made, layout)
    return packed, time.perf_counter() - started


def _observe(service: Service, made: Made, outcome: Outcome, encode_s: float) -> None:
    labels = (made.manifest.name, str(made.manifest.version))
    metrics = service.metrics
    metrics.images.labels(*labels).inc(made.work.count)
    metrics.queue_seconds.labels(*labels).observe(outcome.queue_s)
    metrics.engine_seconds.labels(*labels).observe(outcome.run_s)
    metrics.encode_seconds.labels(*labels).observe(encode_s)


def _headers(made: Made, outcome: Outcome, encode_s: float) -> dict[str, str]:
    stages = {"queue": outcome.queue_s, "engine": outcome.run_s, "encode": encode_s}
    headers = {
        "X-Model": made.model,
        "Server-Timing": ", ".join(f"{name};dur={1000 * s:.2f}" for name, s in stages.items()),
        "Vary": "Accept",
    }
    if made.work.seed is not None:
        headers["X-Seed"] = str(made.work.seed)
    return headers
