"""Answers `POST /generate` in front of the application, as a plain ASGI callable.

Routing and middleware would cost more than all the rest of a small image. The answers are those of
the route to the byte; a test compares them.
"""

import asyncio
import logging
import time

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mirage.service.access import find_key
from mirage.service.bodies import BODY_TYPES, body_type, parse_demand, parse_query, read_body
from mirage.service.connections import DISCONNECT
from mirage.service.errors import InternalError, Malformed, ServiceError
from mirage.service.generation import Order, answer_order
from mirage.service.logs import REQUEST_ID
from mirage.service.problems import problem_response
from mirage.service.record import Record
from mirage.service.request_log import CLIENT_LEFT, client_of, log_request, request_id
from mirage.service.state import Service
from mirage.service.waiting import allowed_s, before

log = logging.getLogger(__name__)

PATH = "/generate"
Headers = dict[str, str]


class FastPath:
    """ASGI application: `POST /generate` is answered here, all else by `app`."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        settings = service.settings
        # Middleware answers requests from other origins, and those that a proxy forwards.
        self._left_to_middleware = frozenset(
            [b"origin"] * bool(settings.cors_origins)
            + [b"x-forwarded-for"] * (settings.images_per_minute is not None)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._takes(scope):
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _takes(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["path"] == PATH
            and scope["method"] == "POST"
            and not self._service.refusing
            and (
                not self._left_to_middleware
                or self._left_to_middleware.isdisjoint(name for name, _ in scope["headers"])
            )
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, metrics = self._service, self._service.metrics
        arrived = time.monotonic()
        headers = _joined(scope)
        record = Record(request_id(headers), client_of(scope))
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        client = _Client(scope)
        service.unanswered.add(id(scope))
        metrics.in_flight += 1
        status = CLIENT_LEFT
        try:
            response = await self._response(scope, receive, headers, record, arrived)
            await self._send(scope, send, response, record)
            status = CLIENT_LEFT if client.has_left else response.status_code
        except (ClientDisconnect, asyncio.CancelledError):
            if not client.has_left:
                raise
        finally:
            service.unanswered.discard(id(scope))
            metrics.in_flight -= 1
            took_s = time.monotonic() - arrived
            if client.has_left:
                metrics.abandoned.inc()
            metrics.count_request(status, took_s)
            log_request(scope, record, status, client.has_left, took_s)

    async def _response(
        self, scope: Scope, receive: Receive, headers: Headers, record: Record, arrived: float
    ) -> Response:
        try:
            order = await self._read(scope, receive, headers, record, arrived)
            return await answer_order(order, self._service)
        except ServiceError as error:
            self._service.metrics.count_problem(error.slug)
            return problem_response(error)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed")
            return problem_response(InternalError("the service failed; its log says why"))

    async def _read(
        self, scope: Scope, receive: Receive, headers: Headers, record: Record, arrived: float
    ) -> Order:
        """Reject what cannot be in time, then read, in the order of rising cost."""
        service = self._service
        self._check_room(headers)
        if service.keys is not None:
            record.key = find_key(service.keys, headers)
        deadline = arrived + allowed_s(headers, service.settings.deadline_s)
        media_type = body_type(headers, BODY_TYPES)
        await service.pending.turn()
        waited_s = time.monotonic() - arrived
        settings = service.settings
        request = Request(scope, receive)
        body = await before(deadline, read_body(request, media_type, settings))
        query = parse_query(scope["query_string"])
        demand = parse_demand(media_type, body, query, settings)
        return Order(demand, headers.get("accept", ""), deadline, record, waited_s)

    def _check_room(self, headers: Headers) -> None:
        """Raise QueueFull if the request could not be answered in time."""
        try:
            seconds = allowed_s(headers, self._service.settings.deadline_s)
        except Malformed:
            return  # which is told once its key is known
        self._service.pending.check_room(seconds)
        self._service.models.check_room(seconds)

    async def _send(self, scope: Scope, send: Send, response: Response, record: Record) -> None:
        headers = [*response.raw_headers, (b"x-request-id", record.request_id.encode())]
        if self._service.draining:
            headers.append((b"connection", b"close"))  # the next request goes to another process
        await send(
            {"type": "http.response.start", "status": response.status_code, "headers": headers}
        )
        self._service.unanswered.discard(id(scope))  # now, for the process may end with the answer
        await send({"type": "http.response.body", "body": response.body})


class _Client:
    """Whether the client has left; that cancels the task which was running when this was made."""

    def __init__(self, scope: Scope) -> None:
        self.has_left = False
        self._task = asyncio.current_task()
        if extension := scope.get("extensions", {}).get(DISCONNECT):
            extension["notify"](self._leave)

    def _leave(self) -> None:
        self.has_left = True
        if self._task is not None:
            self._task.cancel()


def _joined(scope: Scope) -> Headers:
    """The headers by lower-case name; those that came several times are joined with commas."""
    headers: Headers = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers
