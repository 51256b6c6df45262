"""From a validated request to its answer: find the version, queue, encode, report."""

import asyncio
import functools
import time
from typing import NamedTuple

from starlette.responses import Response

from mirage.bundle.format.manifest import Task
from mirage.bundle.store.directions import NO_DIRECTIONS
from mirage.service.api.admission.route_deadline import before
from mirage.service.api.answers.kinds import answers_of, pack
from mirage.service.api.answers.made import Made, Packed
from mirage.service.api.content.negotiation import Layout, choose_type
from mirage.service.api.content.timing import observe, server_timing
from mirage.service.api.pictures.upscaler import named_upscaler
from mirage.service.api.state import Service
from mirage.service.batching.queue import EntryResult
from mirage.service.tasks.generate import (
    GenerateInput,
    GenerateJob,
    build_job,
    check_images,
    settle_seed,
)
from mirage.service.telemetry.logging import Record
from mirage.service.versions.version import Servable

GENERATE: Task = "generate"
SMALL = 16 * 1024  # bytes; encoding these is faster than the hand-over to a thread


RawHeaders = list[tuple[bytes, bytes]]


class Answer(Response):
    """A response with ready raw headers, which Starlette does not need to prepare."""

    def __init__(self, body: bytes, headers: RawHeaders) -> None:
        # `Response.__init__` would encode the headers again.
        self.status_code = 200
        self.body = body
        self.raw_headers = headers
        self.background = None


class GenerateCall(NamedTuple):
    """A parsed request: input, Accept header, and deadline in `time.monotonic()` seconds.

    `waited_s` is how long it waited before it was parsed, in seconds.
    """

    given: GenerateInput
    accept: str
    deadline: float
    record: Record
    waited_s: float = 0.0


async def answer_call(call: GenerateCall, service: Service) -> Response:
    """Generate the images and answer. Raises the ServiceErrors of all stages."""
    models, settings, deadline = service.models, service.settings, call.deadline
    given = settle_seed(call.given)
    fields = given.fields
    wanted = fields.model, fields.version, fields.seed, GENERATE
    if (found := models.loaded_version(*wanted)) is None:
        found = await before(deadline, models.find(*wanted))
    with models.hold(found) as version:
        named = models.directions.of(version.manifest) if fields.directions else NO_DIRECTIONS
        manifest = version.manifest
        sheet = None if fields.layout == "separate" else fields.layout
        check_images(manifest, layout=sheet, upscale=fields.upscale)
        job = build_job(given, manifest, settings, named)
        media = choose_type(
            call.accept, job.count, fields.layout, answers_of(manifest).offer(manifest)
        )
        enlarged_by = None
        if fields.upscale is None:
            async with service.rates.charged(call.record, job.count):
                outcome = await version.generate(job, deadline)
        else:
            outcome, enlarged_by = await _enlarged(fields.upscale, version, job, call, service)
    outcome = EntryResult(outcome.rows, call.waited_s + outcome.queue_s, outcome.run_s)
    made = Made(manifest, job, outcome.rows, settings.compression, enlarged_by)
    packed, encode_s = await before(deadline, _packed(service, media, made, fields.layout))
    call_soon = asyncio.get_running_loop().call_soon  # deferred, like the record of the request
    call_soon(observe, service.metrics, made.manifest, job.count, outcome, encode_s)
    call.record.note(made.model, job.count, outcome.queue_s, outcome.run_s, encode_s)
    return Answer(packed.body, _headers(made, packed, outcome, encode_s))


async def _enlarged(
    name: str, version: Servable, job: GenerateJob, call: GenerateCall, service: Service
) -> tuple[EntryResult, str]:
    """Generate and enlarge the images; returns them and the name of the upscaler."""
    async with named_upscaler(service, call.deadline, name) as upscaler:
        count = upscaler.admit(version.manifest.image, job.count)
        async with service.rates.charged(call.record, count):
            made = await version.generate(job, call.deadline)
            outcome = await upscaler.enlarge(made)
    return outcome, upscaler.name


async def _packed(service: Service, media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    """Return the body and the seconds to encode it; large and slow ones are encoded on a thread."""
    is_quick = media == answers_of(made.manifest).quick and made.compression != "small"
    if is_quick and made.rows.nbytes <= SMALL:
        return _timed_pack(media, made, layout)
    loop = asyncio.get_running_loop()
    pack_later = functools.partial(_timed_pack, media, made, layout)
    return await loop.run_in_executor(service.encoders, pack_later)


def _timed_pack(media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    started = time.perf_counter()
    packed = pack(media, made, layout)
    return packed, time.perf_counter() - started


def _headers(made: Made, packed: Packed, outcome: EntryResult, encode_s: float) -> RawHeaders:
    headers = [
        (b"x-model", made.model.encode()),
        (b"server-timing", server_timing(outcome, encode_s).encode()),
        (b"vary", b"Accept"),
    ]
    if made.enlarged_by is not None:
        headers.append((b"x-upscale", made.enlarged_by.encode()))
    if made.job.seed is not None:
        headers.append((b"x-seed", b"%d" % made.job.seed))
    headers.append((b"content-length", b"%d" % len(packed.body)))
    headers.append((b"content-type", packed.media_type.encode()))
    return headers
