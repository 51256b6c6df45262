"""`POST /interpolate`: frames between latents, as a ZIP or an animation."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.admission.route_deadline import (
    allowed_s,
    before,
    unless_client_left,
    while_connected,
)
from mirage.service.api.answers.kinds import answers_of
from mirage.service.api.content.negotiation import choose_frames_type
from mirage.service.api.content.request_body import read_fields
from mirage.service.api.content.streaming import Stream
from mirage.service.api.content.timing import observe, server_timing
from mirage.service.api.pictures.upscaler import Upscaler, named_upscaler
from mirage.service.api.state import Service, service_of
from mirage.service.batching.queue import Array, EntryResult
from mirage.service.errors import ServiceError
from mirage.service.media.animation import check_animation
from mirage.service.media.archive import Archive
from mirage.service.media.encoding import ZIP
from mirage.service.media.files import item_file
from mirage.service.tasks.generate import GenerateJob, check_images
from mirage.service.tasks.interpolate import build_interpolation, starting_seed
from mirage.service.tasks.requests import DURATION_MS, InterpolateRequest
from mirage.service.telemetry.logging import record_of
from mirage.service.versions.version import LoadedVersion


@dataclass(frozen=True)
class InterpolateCall:
    """A request for frames; `deadline` is in `time.monotonic()` seconds.

    `upscaler` enlarges the frames, which count as `charge` images in rate limits.
    """

    request: Request
    service: Service
    version: LoadedVersion
    job: GenerateJob
    deadline: float
    upscaler: Upscaler | None = None
    charge: int = 0

    @property
    def manifest(self) -> Manifest:
        """The manifest of the version that generates the frames."""
        return self.version.manifest

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        model = f"{self.manifest.name}@{self.manifest.version}"
        enlarged = {} if self.upscaler is None else {"X-Upscale": self.upscaler.name}
        return {"X-Model": model, "Vary": "Accept", **enlarged}

    async def enlarged(self, made: EntryResult) -> EntryResult:
        """Enlarge the frames if there is an upscaler."""
        return made if self.upscaler is None else await self.upscaler.enlarge(made)

    async def generate(self) -> EntryResult:
        """Generate all frames."""
        return await self.enlarged(await self.version.generate(self.job, self.deadline))

    async def stream(self) -> AsyncGenerator[EntryResult]:
        """Generate the frames, and yield them in parts.

        The time that the caller takes for a part is added to the deadline of enlarging the next.
        """
        async with aclosing(self.version.stream(self.job, self.deadline)) as parts:
            async for part in parts:
                enlarged = await self.enlarged(part)
                yielded = time.monotonic()
                yield enlarged
                if self.upscaler is not None:
                    self.upscaler.deadline += time.monotonic() - yielded

    async def encoded(self, encode: Callable[[Array], bytes], rows: Array) -> tuple[bytes, float]:
        """Encode frames on a thread; returns the bytes and the seconds."""

        def timed() -> tuple[bytes, float]:
            started = time.perf_counter()
            return encode(rows), time.perf_counter() - started

        return await asyncio.get_running_loop().run_in_executor(self.service.encoders, timed)

    def entries(self, archive: Archive, rows: Array) -> bytes:
        """Add frames to an archive; returns the new bytes."""
        encode, compression = item_file(self.manifest).encode, self.service.settings.compression
        return archive.add(encode(row, self.manifest, compression) for row in rows)

    def archive(self) -> Archive:
        """An empty archive of frames."""
        return Archive(item_file(self.manifest).suffix)

    def note(self, outcome: EntryResult, encode_s: float) -> None:
        """Add the result to the request's log record."""
        record_of(self.request).note(
            self.headers["X-Model"], self.job.count, outcome.queue_s, outcome.run_s, encode_s
        )


async def interpolate(request: Request) -> Response:
    """Answer a request for frames."""
    service = service_of(request)
    return await unless_client_left(service.metrics, _answer(request, service))


async def _answer(request: Request, service: Service) -> Response:
    settings = service.settings
    deadline = time.monotonic() + allowed_s(request.headers, settings.deadline_s)
    fields = await before(deadline, read_fields(request, settings, InterpolateRequest))
    seed, index = starting_seed(fields)
    async with AsyncExitStack() as held:
        lease = service.models.lease(fields.model, fields.version, seed, "generate")
        version = held.enter_context(await before(deadline, lease)).member(seed, index)
        named = service.models.directions.of(version.manifest)
        manifest = version.manifest
        check_images(manifest, upscale=fields.upscale, duration_ms=fields.duration_ms)
        job = build_interpolation(fields, manifest, settings, named)
        upscaler, charge = None, job.count
        if fields.upscale is not None:
            found = named_upscaler(service, deadline, fields.upscale)
            upscaler = await held.enter_async_context(found)
            charge = upscaler.admit(manifest.image, job.count, "frames")
        call = InterpolateCall(request, service, version, job, deadline, upscaler, charge)
        accept = ",".join(request.headers.getlist("accept"))
        media = choose_frames_type(accept, answers_of(manifest).walk_types(manifest))
        scale = upscaler.model.scale if upscaler else 1
        check_animation(media, *(scale * (size or 1) for size in manifest.outputs[0].sizes[1:3]))
        if media == ZIP and job.count > settings.max_batch_size:
            return await _stream(call, held)
        return await _whole(call, media, fields.duration_ms or DURATION_MS)


async def _whole(call: InterpolateCall, media: str, duration_ms: int) -> Response:
    """One write, when all frames are there."""

    def encode(rows: Array) -> bytes:
        if media != ZIP:
            return answers_of(call.manifest).walk(media, rows, call.manifest, duration_ms)
        archive = call.archive()
        return call.entries(archive, rows) + archive.end()

    async with call.service.rates.charged(record_of(call.request), call.charge):
        outcome = await while_connected(call.request, call.generate())
    body, encode_s = await before(call.deadline, call.encoded(encode, outcome.rows))
    observe(call.service.metrics, call.manifest, call.job.count, outcome, encode_s)
    call.note(outcome, encode_s)
    headers = call.headers | {"Server-Timing": server_timing(outcome, encode_s)}
    return Response(body, 200, headers, media)


async def _stream(call: InterpolateCall, held: AsyncExitStack) -> Response:
    """A ZIP that is sent while later frames are made; it begins when the first frames are there.

    So the walk was admitted, and what is refused is refused with its status.
    """
    parts = call.stream()
    held.push_async_callback(parts.aclose)
    async with call.service.rates.charged(record_of(call.request), call.charge):
        first = await while_connected(call.request, _next(parts))
    return Stream(_entries(call, first, parts), call.headers, ZIP, held.pop_all())


async def _next(parts: AsyncGenerator[EntryResult]) -> EntryResult:
    return await anext(parts)


async def _entries(
    call: InterpolateCall, first: EntryResult, parts: AsyncGenerator[EntryResult]
) -> AsyncGenerator[bytes]:
    """The bytes of the ZIP, part by part."""
    archive, encode_s, last = call.archive(), 0.0, first
    metrics = call.service.metrics

    def encode(rows: Array) -> bytes:
        return call.entries(archive, rows)

    try:
        async with aclosing(parts):
            part: EntryResult | None = first
            while part is not None:
                last = part
                entries, seconds = await call.encoded(encode, part.rows)
                encode_s += seconds
                yield entries
                part = await anext(parts, None)
        yield archive.end()
    except ServiceError as error:
        metrics.count_problem(error.slug)
        raise
    except (asyncio.CancelledError, GeneratorExit):
        metrics.abandoned.inc()
        raise
    finally:
        call.note(last, encode_s)
    observe(metrics, call.manifest, call.job.count, last, encode_s)
