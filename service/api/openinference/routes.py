"""The routes of the Open Inference Protocol, and its errors."""

import asyncio
import functools
import re
import time
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic_core import from_json, to_json
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.admission.route_deadline import (
    allowed_s,
    before,
    unless_client_left,
    while_connected,
)
from mirage.service.api.content.request_body import JSON, OCTETS, read_body
from mirage.service.api.content.timing import observe
from mirage.service.api.model_info import list_known
from mirage.service.api.openinference import repository, tensors
from mirage.service.api.openinference.codec import (
    Form,
    Packed,
    ParsedRequest,
    decompress,
    pack,
    parse_fields,
    parse_request,
    request_encoding,
    response_encoding,
)
from mirage.service.api.openinference.jobs import build_job, wants_binary
from mirage.service.api.openinference.schemas import ModelReady, ServerLive, ServerReady
from mirage.service.api.problems import PROBLEM_JSON, problem_response
from mirage.service.api.security.middleware import CountRequests
from mirage.service.api.state import Service, service_of
from mirage.service.errors import (
    InternalError,
    InvalidValue,
    Malformed,
    NoSuchModel,
    NotReady,
    ServiceError,
)
from mirage.service.telemetry.logging import record_of
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.registry import ModelRegistry

ROOT = "/v2"


def error_response(error: ServiceError) -> Response:
    """Return an error in the form of the protocol."""
    response = problem_response(error)
    response.status_code = status_of(error.status)
    response.body = _body(response.headers, error.detail)
    return response


def status_of(status: int) -> int:
    """Return the status in the protocol, which has 400 for invalid values."""
    return Malformed.status if status == InvalidValue.status else status


class ProtocolErrors:
    """Converts problems to errors of the protocol, and answers unexpected exceptions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on other requests unchanged."""
        if scope["type"] != "http" or not _is_below_root(scope["path"]):
            await self._app(scope, receive, send)
            return
        rewriting = _Rewriting(send)
        try:
            await self._app(scope, receive, rewriting.send)
        except Exception:
            if not rewriting.begun:
                fault = InternalError("the service failed; its log says why")
                response = error_response(fault)
                response.headers["Connection"] = "close"  # as the server does, which logs it
                await response(scope, receive, send)
            raise  # for the server to log it


class _Rewriting:
    """The sending side of an answer. The head of a problem is sent with its body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None
        self.begun = False

    async def send(self, message: Message) -> None:
        self.begun = True
        if message["type"] == "http.response.start" and _is_problem(message):
            self._head = message
            return
        if self._head is not None:
            message = await self._send_head(self._head, message)
            self._head = None
        await self._send(message)

    async def _send_head(self, head: Message, problem: Message) -> Message:
        """Send the head of the error, and return its body."""
        headers = MutableHeaders(raw=head["headers"])
        body = _body(headers, from_json(problem["body"])["detail"])
        await self._send({**head, "status": status_of(head["status"]), "headers": headers.raw})
        return {**problem, "body": body}


def _body(headers: MutableHeaders, detail: str) -> bytes:
    """Return the body of an error, and set its headers."""
    body = to_json({"error": detail})
    headers["content-type"] = JSON
    headers["content-length"] = str(len(body))
    return body


def _is_below_root(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def _is_problem(head: Message) -> bool:
    return (b"content-type", PROBLEM_JSON.encode()) in head["headers"]


MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
QUICK_BYTES = 2**20  # copying these is faster than waking a thread


def routes(metrics: Metrics) -> list[Route]:
    """Return all routes, of models with and without a version."""
    # Errors are converted before they are counted, so the status is the one that the client sees.
    counted = [Middleware(CountRequests, metrics=metrics), Middleware(ProtocolErrors)]
    found = [
        Route("/v2", get_server),
        Route("/v2/health/live", get_live),
        Route("/v2/health/ready", get_ready),
        Route("/v2/repository/index", get_index, methods=["POST"]),
    ]
    for model in (MODEL, VERSION):
        found += [
            Route(model, get_model),
            Route(f"{model}/ready", get_model_ready),
            Route(f"{model}/config", get_model_config),
            Route(f"{model}/infer", infer, methods=["POST"], middleware=counted),
        ]
    return found


async def get_server(_request: Request) -> Response:
    """Name, version and extensions of the server."""
    return _json(tensors.describe_server())


async def get_live(request: Request) -> Response:
    """503 if an engine run or all encoding threads hang."""
    service_of(request).check_alive()
    return _json(ServerLive(live=True))


async def get_ready(request: Request) -> Response:
    """503 until the models are loaded, while no model is released, and after the stop signal."""
    service_of(request).check_ready()
    return _json(ServerReady(ready=True))


async def get_model(request: Request) -> Response:
    """The tensors and the versions of a model."""
    models = service_of(request).models
    manifest = await models.manifest(*_named(request))
    return _json(tensors.describe_model(manifest, await _published(models, manifest.name)))


async def get_model_ready(request: Request) -> Response:
    """200 if inference is possible. A numbered version is loaded by its first inference."""
    service_of(request).check_started()
    manifest = await service_of(request).models.manifest(*_named(request))
    return _json(ModelReady(name=manifest.name, ready=True))


async def get_model_config(request: Request) -> Response:
    """The tensors, the versions and the backend of a model, as Triton configures one."""
    models = service_of(request).models
    manifest = await models.manifest(*_named(request))
    return _json(repository.describe_config(manifest, await _published(models, manifest.name)))


async def get_index(request: Request) -> Response:
    """All published versions, and whether they can serve. An empty body lists all."""
    service = service_of(request)
    return await unless_client_left(service.metrics, _index(request, service))


async def _index(request: Request, service: Service) -> Response:
    body = await read_body(request.headers, request.receive, JSON, service.settings)
    wanted = parse_fields(body.strip() or b"{}", repository.IndexRequest, service.settings)
    known = await list_known(service)
    return _json(repository.describe_index(known.models, only_ready=wanted.ready is True))


async def infer(request: Request) -> Response:
    """Run a model on the inputs of a request."""
    service = service_of(request)
    return await unless_client_left(service.metrics, _answer(request, service))


async def _answer(request: Request, service: Service) -> Response:
    started = time.monotonic()
    deadline = started + allowed_s(request.headers, service.settings.deadline_s)
    parsed = await before(deadline, _read(request, service))
    if timeout_us := parsed.fields.parameters.timeout:
        deadline = min(deadline, started + timeout_us / 1e6)
    with await before(deadline, service.models.lease(*_named(request))) as found:
        version = found.member(None, 0)
        job = build_job(parsed, version.manifest, service.settings)
        form = _form(request, parsed, version.manifest)
        async with service.rates.charged(record_of(request), job.charge):
            outcome = await while_connected(request, version.generate(job, deadline))
    packing = _packed(service, outcome.rows, version.manifest, form)
    packed, encode_s = await before(deadline, packing)
    observe(service.metrics, version.manifest, job.count, outcome, encode_s)
    model = f"{version.manifest.name}@{version.manifest.version}"
    record_of(request).note(model, job.count, outcome.queue_s, outcome.run_s, encode_s)
    return Response(packed.body, 200, {**packed.headers, "Vary": "Accept-Encoding"})


async def _read(request: Request, service: Service) -> ParsedRequest:
    settings = service.settings
    encoding = request_encoding(request.headers.get("content-encoding"))
    body = await read_body(request.headers, request.receive, OCTETS, settings)
    if encoding is not None:
        loop = asyncio.get_running_loop()
        job = functools.partial(decompress, body, encoding, settings.body_bytes)
        body = await loop.run_in_executor(service.encoders, job)
    return parse_request(body, request.headers.get("inference-header-content-length"), settings)


async def _published(models: ModelRegistry, name: str) -> list[int]:
    """Return the versions on disk, or those in memory if the disk cannot be read."""
    try:
        return await models.versions(name)
    except NotReady:
        return sorted(version.manifest.version for version in models.loaded(name))


def _named(request: Request) -> tuple[str, int | None]:
    """Return name and version in the path. Raises NoSuchModel for an invalid version."""
    version = request.path_params.get("version")
    if version is not None and not re.fullmatch("[1-9][0-9]{0,17}", version):
        raise NoSuchModel(f"version is {version!r:.40}; an integer of at least 1 is allowed")
    return request.path_params["name"], None if version is None else int(version)


def _form(request: Request, parsed: ParsedRequest, manifest: Manifest) -> Form:
    """Return the form of the answer. Raises InvalidValue for unknown outputs."""
    accepted = ",".join(request.headers.getlist("accept-encoding"))
    return Form(parsed.fields.id, wants_binary(parsed, manifest), response_encoding(accepted))


async def _packed(
    service: Service, rows: NDArray[Any], manifest: Manifest, form: Form
) -> tuple[Packed, float]:
    """Return the answer and the seconds to encode it; large ones are encoded on a thread."""
    job = functools.partial(_timed_pack, rows, manifest, form)
    if form.binary and form.encoding is None and rows.nbytes <= QUICK_BYTES:
        return job()
    return await asyncio.get_running_loop().run_in_executor(service.encoders, job)


def _timed_pack(rows: NDArray[Any], manifest: Manifest, form: Form) -> tuple[Packed, float]:
    started = time.perf_counter()
    packed = pack(rows, manifest, form)
    return packed, time.perf_counter() - started


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type=JSON)
