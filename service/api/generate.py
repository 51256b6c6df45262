"""From a validated request to its answer: find the version, queue, encode, report."""

import asyncio
import base64
import functools
import hashlib
import io
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from starlette.responses import Response

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest, Task
from mirage.bundle.store.directions import NO_DIRECTIONS
from mirage.service.api.admission.route_deadline import before
from mirage.service.api.content import negotiation
from mirage.service.api.content.negotiation import Layout, choose_type
from mirage.service.api.content.timing import observe, server_timing
from mirage.service.api.pictures.upscaler import named_upscaler
from mirage.service.api.state import Service
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import NotAcceptable
from mirage.service.media import encoding
from mirage.service.media.archive import Archive
from mirage.service.media.encoding import (
    PNG,
    WEBP_SIDE,
    Compression,
    Pixels,
    contact_sheet,
    encode_png,
    encode_webp,
)
from mirage.service.tasks.generate import GenerateInput, GenerateJob, build_job, settle_seed
from mirage.service.telemetry.logging import Record
from mirage.service.versions.version import Servable


class Made(NamedTuple):
    """Generated images, uint8 `[n, H, W, C]`, with their model and job."""

    manifest: Manifest
    job: GenerateJob
    images: NDArray[np.uint8]
    compression: Compression = "fast"
    enlarged_by: str | None = None  # the name and version of another model

    @property
    def model(self) -> str:
        """Name and version, for X-Model."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def png(self, pixels: Pixels) -> bytes:
        """Encode an image or a contact sheet as PNG."""
        return encode_png(pixels, self.compression)

    def label(self, number: int) -> int | None:
        """Return the class index of an image; None for unconditional models."""
        return None if self.job.labels is None else int(self.job.labels[number])

    def member(self, number: int) -> int | None:
        """Return the version that made an image of an ensemble; otherwise None."""
        if not self.manifest.members or self.job.seed is None:
            return None
        return member_of(self.manifest, self.job.seed, self.job.index + number).version


class Packed(NamedTuple):
    """A body and its Content-Type."""

    body: bytes
    media_type: str


def pack(media: str, made: Made, layout: Layout) -> Packed:
    """Encode the images. Raises NotAcceptable for a contact sheet too large for WebP."""
    if media == negotiation.JSON:
        return Packed(_json(made, as_sheet=layout == "grid"), media)
    return PACKERS[media](made)


def _png(made: Made) -> Packed:
    return Packed(made.png(_single(made)), encoding.PNG)


def _webp(made: Made) -> Packed:
    pixels = _single(made)
    if max(pixels.shape) > WEBP_SIDE:
        raise NotAcceptable(f"WebP supports at most {WEBP_SIDE} pixels per side; use PNG for more")
    return Packed(encode_webp(pixels), encoding.WEBP)


def _single(made: Made) -> NDArray[np.uint8]:
    """Return the image, or the contact sheet of several."""
    return made.images[0] if len(made.images) == 1 else contact_sheet(made.images)


def _zip(made: Made) -> Packed:
    archive = Archive()
    return Packed(archive.add(map(made.png, made.images)) + archive.end(), encoding.ZIP)


def _multipart(made: Made) -> Packed:
    parts = [
        b"\r\n".join((*_part_headers(made, number), b"", made.png(pixels)))
        for number, pixels in enumerate(made.images)
    ]
    # A hash of the contents does not occur in them, and equal images give equal bytes.
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()[:32].encode()
    opened = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    media_type = f"{negotiation.MULTIPART}; boundary={boundary.decode()}"
    return Packed(opened + b"--" + boundary + b"--\r\n", media_type)


def _part_headers(made: Made, number: int) -> list[bytes]:
    index = made.job.index + number
    lines = ["Content-Type: image/png", f"Content-ID: <{index}>"]
    if made.job.seed is not None:
        lines.append(f"X-Seed: {made.job.seed}")
    lines.append(f"X-Index: {index}")
    if (label := made.label(number)) is not None:
        lines.append(f"X-Label: {label}")
    return [line.encode() for line in lines]


def _json(made: Made, *, as_sheet: bool) -> bytes:
    """Return the JSON answer. A contact sheet is one image without a class."""
    if as_sheet and len(made.images) > 1:
        images = [_json_image(made, 0, contact_sheet(made.images), label=None, member=None)]
    else:
        images = [
            _json_image(made, number, pixels, label=made.label(number), member=made.member(number))
            for number, pixels in enumerate(made.images)
        ]
    manifest = made.manifest
    return to_json({"model": manifest.name, "version": manifest.version, "images": images})


def _json_image(
    made: Made, number: int, pixels: NDArray[np.uint8], *, label: int | None, member: int | None
) -> dict[str, str | int | None]:
    image: dict[str, str | int | None] = {
        "seed": None if made.job.seed is None else str(made.job.seed),
        "index": made.job.index + number,
        "label": label,
        "class": None if label is None else made.manifest.labels[label],
    }
    if made.manifest.members:
        image["member"] = member
    return {**image, "png": base64.b64encode(made.png(pixels)).decode()}


def _npy(made: Made) -> Packed:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, made.images, version=(1, 0), allow_pickle=False)
    return Packed(buffer.getvalue(), negotiation.NPY)


PACKERS: dict[str, Callable[[Made], Packed]] = {
    encoding.PNG: _png,
    encoding.WEBP: _webp,
    encoding.ZIP: _zip,
    negotiation.MULTIPART: _multipart,
    negotiation.NPY: _npy,
}


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
        job = build_job(given, version.manifest, settings, named)
        media = choose_type(call.accept, job.count, fields.layout)
        enlarged_by = None
        if fields.upscale is None:
            async with service.rates.charged(call.record, job.count):
                outcome = await version.generate(job, deadline)
        else:
            outcome, enlarged_by = await _enlarged(fields.upscale, version, job, call, service)
    outcome = EntryResult(outcome.rows, call.waited_s + outcome.queue_s, outcome.run_s)
    made = Made(version.manifest, job, outcome.rows, settings.compression, enlarged_by)
    packed, encode_s = await _packed(service, media, made, fields.layout)
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
    """Return the body and the seconds to encode it; large ones are encoded on a thread."""
    if media == PNG and made.images.nbytes <= SMALL and made.compression != "small":
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
