"""Answers POST /generate straight from its connection, since ASGI and what surrounds the routes
would cost more than all the rest of a small image.

It answers as the route does, to the byte; a test compares them.
"""

import asyncio
import logging
import time
from functools import lru_cache
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.access import find_key
from service.bodies import parse_demand, read_body
from service.errors import InternalError, QueueFull, ServiceError
from service.generation import Order, answer_order
from service.heads import Head, Heads
from service.logs import REQUEST_ID
from service.problems import problem_response
from service.record import Record
from service.request_log import CLIENT_LEFT, client_of, log_request, request_id
from service.state import Service
from service.waiting import allowed_s, before

log = logging.getLogger(__name__)

PATH = "/generate"
Lines = list[tuple[bytes, bytes]]  # of a head


class Express:
    """What a connection hands such a request to, instead of the application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.heads = Heads()  # of requests that it takes
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
    ) -> tuple[bytes, ...] | None:
        """The answer to a request when the event loop is behind, counted and logged; else None.

        The same as `answer` would make of it, for much less: it is what overload consists of.
        """
        try:
            self._service.check_keeps_up()
        except QueueFull as error:
            metrics = self._service.metrics
            record = Record(request_id(head.headers), client[0] if client else "")
            metrics.rejected.labels(error.slug).inc()
            metrics.count_request(error.status, 0.0)
            token = REQUEST_ID.set(record.request_id)
            log_request(head.scope, record, error.status, False, 0.0)
            REQUEST_ID.reset(token)
            return _pieces(_refused(str(error), error.retry_after_s), record, default_headers)
        return None

    async def answer(self, cycle: RequestResponseCycle, head: Head) -> None:
        """Answer one request, and count and log it. Cancel it when its client leaves."""
        service, metrics = self._service, self._service.metrics
        scope = cast(Any, cycle.scope)  # uvicorn's type for what Starlette calls a Scope
        record = Record(request_id(head.headers), client_of(scope))
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        started = time.perf_counter()
        service.unanswered.add(id(cycle))
        metrics.in_flight += 1
        status = CLIENT_LEFT
        try:
            response = await self._response(cycle, head, record)
            if await self._send(cycle, response, record):
                status = response.status_code
        except asyncio.CancelledError:
            metrics.abandoned.inc()
        finally:
            service.unanswered.discard(id(cycle))
            metrics.in_flight -= 1
            took = time.perf_counter() - started
            metrics.count_request(status, took)
            log_request(scope, record, status, status == CLIENT_LEFT, took)

    async def _response(self, cycle: RequestResponseCycle, head: Head, record: Record) -> Response:
        try:
            return await answer_order(await self._read(cycle, head, record), self._service)
        except ServiceError as error:
            self._service.metrics.rejected.labels(error.slug).inc()
            return problem_response(error)
        except Exception:
            log.exception("request failed")
            return problem_response(InternalError("the service failed; its log says why"))

    async def _read(self, cycle: RequestResponseCycle, head: Head, record: Record) -> Order:
        service, most = self._service, self._service.settings.body_bytes
        service.check_keeps_up()
        if service.keys is not None:
            record.key = find_key(service.keys, head.headers)
        deadline = time.monotonic() + allowed_s(head.headers, service.settings.deadline_s)
        media_type = head.body_type
        if cycle.more_body or len(cycle.body) > most:
            scope, receive = cast(Any, cycle.scope), cast(Any, cycle.receive)
            body = await before(deadline, read_body(Request(scope, receive), most))
        else:
            body = bytes(cycle.body)
        demand = parse_demand(media_type, body, head.query)
        return Order(demand, head.headers.get("accept", ""), deadline, record)

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


@lru_cache(8)  # it is always the same
def _refused(detail: str, retry_after_s: float | None) -> Response:
    return problem_response(QueueFull(detail, retry_after_s=retry_after_s))


def _pieces(response: Response, record: Record, more: Lines) -> tuple[bytes, ...]:
    """An answer as it goes over the wire, head and body, with more lines in its head."""
    lines = [*more, *response.raw_headers, (b"x-request-id", record.request_id.encode())]
    head = b"".join([b"%b: %b\r\n" % line for line in lines])
    return STATUS_LINE[response.status_code], head, b"\r\n", bytes(response.body)
