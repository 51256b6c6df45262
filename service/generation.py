"""From a demand to its answer: find the version, check, queue, encode. Knows no connection."""

import asyncio
import functools
import time
from typing import NamedTuple

from starlette.responses import Response

from mirage.service.bodies import Demand
from mirage.service.entry import Outcome
from mirage.service.negotiation import PNG, Layout, choose_type
from mirage.service.record import Record
from mirage.service.reporting import observe, server_timing
from mirage.service.responses import Made, Packed, pack
from mirage.service.state import Service
from mirage.service.waiting import before
from mirage.service.work import make_work, settle_seed

SMALL = 16 * 1024  # bytes that are encoded sooner than another thread would take them up


RawHeaders = list[tuple[bytes, bytes]]


class Answer(Response):
    """A response that is given its headers as they are sent, and so has none to prepare."""

    def __init__(self, body: bytes, headers: RawHeaders) -> None:
        # Not Starlette's own, of which nothing is left but this.
        self.status_code = 200
        self.body = body
        self.raw_headers = headers
        self.background = None


class Order(NamedTuple):
    """A demand, the Accept header beside it, and until when in `time.monotonic()` seconds.

    `waited_s` is how long it waited before it was read.
    """

    demand: Demand
    accept: str
    deadline: float
    record: Record
    waited_s: float = 0.0


async def answer_order(order: Order, service: Service) -> Response:
    """Make the images; raises the ServiceErrors of every stage."""
    models, settings, deadline = service.models, service.settings, order.deadline
    demand = settle_seed(order.demand)
    fields = demand.fields
    wanted = fields.model, fields.version, fields.seed
    if (found := models.at_hand(*wanted)) is None:
        found = await before(deadline, models.find(*wanted))
    with models.hold(found) as served:
        work = make_work(demand, served.manifest, settings)
        media = choose_type(order.accept, work.count, fields.layout)
        with service.rates.charged(order.record, work.count):
            outcome = await served.generate(work, deadline)
    outcome = Outcome(outcome.rows, order.waited_s + outcome.queue_s, outcome.run_s)
    made = Made(served.manifest, work, outcome.rows, settings.compression)
    packed, encode_s = await _packed(service, media, made, fields.layout)
    observe(service.metrics, made.manifest, work.count, outcome, encode_s)
    order.record.note(made.model, work.count, outcome.queue_s, outcome.run_s, encode_s)
    return Answer(packed.body, _headers(made, packed, outcome, encode_s))


async def _packed(service: Service, media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    """The body, made on an encoding thread if that is worth the way, and the seconds it took."""
    if media == PNG and made.images.nbytes <= SMALL and made.compression != "small":
        return _timed_pack(media, made, layout)
    loop = asyncio.get_running_loop()
    job = functools.partial(_timed_pack, media, made, layout)
    return await loop.run_in_executor(service.encoders, job)


def _timed_pack(media: str, made: Made, layout: Layout) -> tuple[Packed, float]:
    started = time.perf_counter()
    packed = pack(media, made, layout)
    return packed, time.perf_counter() - started


def _headers(made: Made, packed: Packed, outcome: Outcome, encode_s: float) -> RawHeaders:
    headers = [
        (b"x-model", made.model.encode()),
        (b"server-timing", server_timing(outcome, encode_s).encode()),
        (b"vary", b"Accept"),
    ]
    if made.work.seed is not None:
        headers.append((b"x-seed", b"%d" % made.work.seed))
    headers.append((b"content-length", b"%d" % len(packed.body)))
    headers.append((b"content-type", packed.media_type.encode()))
    return headers
