"""Answers POST /generate straight from its connection, since ASGI and what surrounds the routes
would cost more than all the rest of a small image.

It answers as the route does, to the byte; a test compares them.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from mirage.service.access import find_key
from mirage.service.bodies import most_bytes, parse_demand, read_body
from mirage.service.errors import InternalError, Malformed, QueueFull, ServiceError
from mirage.service.flood import Flood
from mirage.service.generation import Order, answer_order
from mirage.service.heads import Head, Heads
from mirage.service.logs import REQUEST_ID
from mirage.service.problems import problem_response
from mirage.service.record import Record
from mirage.service.request_log import CLIENT_LEFT, client_of, log_request, request_id
from mirage.service.state import Service
from mirage.service.waiting import before

log = logging.getLogger(__name__)

PATH = "/generate"
Lines = list[tuple[bytes, bytes]]  # of a head
END = b"\r\n\r\n"  # of it
Start = Callable[[Coroutine[Any, Any, None]], object]


class Arrival(NamedTuple):
    """A request, when it came by `time.monotonic()`, and why it is refused, if it is."""

    cycle: RequestResponseCycle
    head: Head
    arrived: float
    refused: QueueFull | None = None


@dataclass
class Refused:
    """A request that was refused and why, the answer before and behind its id, and how often.

    Not the error itself, whose traceback would hold this in turn.
    """

    head: Head
    slug: str
    status: int
    opening: bytes
    rest: bytes
    times: int = 0


class Express:
    """What a connection hands such a request to, instead of the application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.heads = Heads()  # of requests that it takes
        self.outbox = service.outbox
        self._flood = Flood(_tell_refused)
        self._refused: Refused | None = None  # last, if the event loop has not gone on since
        settings = service.settings
        # What only middleware looks at: whose page it comes from, and whom a proxy speaks for.
        self._elsewhere = frozenset(
            [b"origin"] * bool(settings.cors_origins)
            + [b"x-forwarded-for"] * (settings.images_per_minute is not None)
        )

    @property
    def is_open(self) -> bool:
        """Whether it takes requests at all; the application refuses them when that is over."""
        return not self._service.refusing

    def takes(self, scope: Scope) -> bool:
        """Whether a request is one for it; the application takes the others."""
        return (
            self.is_open
            and scope["path"] == PATH
            and scope["method"] == "POST"
            and (not self._elsewhere or self._elsewhere.isdisjoint(dict(scope["headers"])))
        )

    def refusal(
        self, head: Head, client: tuple[str, int] | None, default_headers: Lines
    ) -> list[bytes] | None:
        """The answer to a request that would wait in vain, counted and logged; else None.

        The same as a task would make of it, for much less: it is what overload consists of. For the
        same reason not all of them have a line in the log, and one that is like the last is refused
        as that was until the event loop goes on: meanwhile it only becomes more that waits.
        """
        last = self._refused
        if last is None or last.head is not head:
            self._count_refused()
            try:
                self._check_room(head)
            except QueueFull as error:
                last = self._refused = Refused(
                    head, error.slug, error.status, *_refusal(error, default_headers)
                )
                asyncio.get_running_loop().call_soon(self._count_refused)
            else:
                return None
        last.times += 1
        own_id = request_id(head.headers)
        if self._flood.takes():
            record = Record(own_id, client[0] if client else "")
            log_request(head.scope, record, last.status, False, 0.0)
        return [last.opening, own_id.encode(), END, last.rest]

    def enter(self, cycle: RequestResponseCycle, head: Head, start: Start) -> None:
        """Answer one request, and count and log it, on a task that is started in its turn.

        Cancel that when the client leaves.
        """
        arrival = self._arrived(cycle, head)
        self._service.intake.enter(lambda: start(self._answer(arrival)))

    def enter_if_room(self, cycle: RequestResponseCycle, head: Head, start: Start) -> None:
        """As `enter`, but refuse what would wait in vain."""
        try:
            self._check_room(head)
        except QueueFull as error:
            start(self._answer(self._arrived(cycle, head, error)))
        else:
            self.enter(cycle, head, start)

    def _count_refused(self) -> None:
        """Count those that were refused alike."""
        if (last := self._refused) is not None:
            self._refused = None
            self._service.metrics.count_problem(last.slug, last.times)
            self._service.metrics.count_request(last.status, 0.0, last.times)

    def _arrived(
        self, cycle: RequestResponseCycle, head: Head, refused: QueueFull | None = None
    ) -> Arrival:
        self._service.unanswered.add(id(cycle))
        self._service.metrics.in_flight += 1
        return Arrival(cycle, head, time.monotonic(), refused)

    def _check_room(self, head: Head) -> None:
        """Raise QueueFull if a request would wait in vain."""
        try:
            allowed_s = self._allowed_s(head)
        except Malformed:
            return  # which it is answered in its turn
        self._service.intake.check_room(allowed_s)
        self._service.models.check_room(allowed_s)

    def _allowed_s(self, head: Head) -> float:
        return min(head.allowed_s, self._service.settings.deadline_s)

    async def _answer(self, arrival: Arrival) -> None:
        service, metrics = self._service, self._service.metrics
        cycle, head = arrival.cycle, arrival.head
        scope = cast(Any, cycle.scope)  # uvicorn's type for what Starlette calls a Scope
        record = Record(request_id(head.headers), client_of(scope))
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        status = CLIENT_LEFT
        try:
            if cycle.disconnected:  # while it waited
                raise asyncio.CancelledError
            response = await self._response(arrival, record)
            if await self._send(cycle, response, record):
                status = response.status_code
        except asyncio.CancelledError:
            metrics.abandoned.inc()
        finally:
            service.unanswered.discard(id(cycle))
            metrics.in_flight -= 1
            took = time.monotonic() - arrival.arrived
            metrics.count_request(status, took)
            log_request(scope, record, status, status == CLIENT_LEFT, took)

    async def _response(self, arrival: Arrival, record: Record) -> Response:
        try:
            return await answer_order(await self._read(arrival, record), self._service)
        except ServiceError as error:
            self._service.metrics.count_problem(error.slug)
            return problem_response(error)
        except Exception:
            log.exception("request failed")
            return problem_response(InternalError("the service failed; its log says why"))

    async def _read(self, arrival: Arrival, record: Record) -> Order:
        service, settings = self._service, self._service.settings
        cycle, head, arrived, refused = arrival
        if refused is not None:
            raise refused
        waited_s = time.monotonic() - arrived
        if service.keys is not None:
            record.key = find_key(service.keys, head.headers)
        deadline = arrived + self._allowed_s(head)
        media_type = head.body_type
        if cycle.more_body or len(cycle.body) > most_bytes(media_type, settings):
            request = Request(cast(Any, cycle.scope), cast(Any, cycle.receive))
            body = await before(deadline, read_body(request, media_type, settings))
        else:
            body = bytes(cycle.body)
        demand = parse_demand(media_type, body, head.query, settings)
        return Order(demand, head.headers.get("accept", ""), deadline, record, waited_s)

    async def _send(self, cycle: RequestResponseCycle, response: Response, record: Record) -> bool:
        """Send an answer in one piece; false when nobody is there."""
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()  # the client reads too slowly to be sent more
        if cycle.disconnected:
            return False
        if self._service.draining:
            cycle.keep_alive = False  # so that the next request goes to another
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._service.unanswered.discard(id(cycle))  # now, for the next line may be its last
        lines = cycle.default_headers
        if not cycle.keep_alive:
            lines = [*lines, (b"connection", b"close")]
        cycle.transport.writelines(_pieces(response, record, lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


def _tell_refused(count: int) -> None:
    log.info("more requests refused within a second, without a line each count=%d", count)


def _refusal(error: QueueFull, default_headers: Lines) -> tuple[bytes, bytes]:
    return _refused(error.detail, math.ceil(error.retry_after_s or 0), *default_headers)


@lru_cache(8)  # it is the same for a second
def _refused(detail: str, retry_after_s: int, *more: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A refusal up to its id, and its body."""
    response = problem_response(QueueFull(detail, retry_after_s=retry_after_s))
    return b"".join(_opening(response, more)), bytes(response.body)


def _pieces(response: Response, record: Record, more: Lines) -> list[bytes]:
    """An answer as it goes over the wire, head and body, with more lines in its head."""
    return [*_opening(response, more), record.request_id.encode(), END, bytes(response.body)]


def _opening(response: Response, more: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """The head of an answer up to its id, which comes last."""
    pieces = [STATUS_LINE[response.status_code]]
    for name, value in (*more, *response.raw_headers):
        pieces += (name, b": ", value, b"\r\n")
    pieces.append(b"x-request-id: ")
    return pieces
