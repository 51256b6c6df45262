"""`POST /generate` as a plain ASGI callable in front of FastAPI.

FastAPI's routing and the middleware would take longer than everything else for a small image.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mirage.service.api.admission.request_watch import SLOW_S, DelayedCalls, RequestWatch
from mirage.service.api.admission.route_deadline import allowed_s
from mirage.service.api.content.request_body import read_input
from mirage.service.api.generate import GenerateCall, answer_call
from mirage.service.api.problems import problem_response
from mirage.service.api.security.auth import find_key
from mirage.service.api.state import Service
from mirage.service.errors import Draining, InternalError, ServiceError
from mirage.service.telemetry.logging import (
    CLIENT_LEFT,
    REQUEST_ID,
    Record,
    client_of,
    has_client,
    log_request,
    request_id,
)

log = logging.getLogger(__name__)

PATH = "/generate"
CLOSE = (b"connection", b"close")


class FastPath(FastAPI):
    """A FastAPI application whose `POST /generate` is answered by a plain ASGI callable."""

    def __init__(self, generate: ASGIApp, **options: Any) -> None:
        super().__init__(**options)
        self._generate = generate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path and method."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self._generate(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Generate:
    """Answers requests for images, counts them and logs them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._slow = DelayedCalls(SLOW_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. If its client disconnects first, it counts as 499."""
        service, metrics = self._service, self._service.metrics
        arrived = time.monotonic()
        headers = _joined_headers(scope)
        record = Record(request_id(headers), client_of(scope))
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        service.unanswered.add(id(scope))
        metrics.in_flight += 1
        status = CLIENT_LEFT
        try:
            response = await self._response(scope, receive, headers, record, arrived)
            await self._send(scope, send, response, record)
            if has_client(scope):
                status = response.status_code
            else:
                metrics.abandoned.inc()
        except (ClientDisconnect, asyncio.CancelledError) as left:
            metrics.abandoned.inc()
            if not isinstance(left, ClientDisconnect):
                raise
        finally:
            service.unanswered.discard(id(scope))
            metrics.in_flight -= 1
            # Deferred, so that the records of an iteration's answers are made together; that takes
            # half of the CPU time.
            call_soon = asyncio.get_running_loop().call_soon
            call_soon(self._record, scope, record, status, time.monotonic() - arrived)

    def _record(self, scope: Scope, record: Record, status: int, took_s: float) -> None:
        """Count and log a finished request."""
        self._service.metrics.count_request(status, took_s)
        log_request(scope, record, status, status == CLIENT_LEFT, took_s)

    async def _response(
        self,
        scope: Scope,
        receive: Receive,
        headers: Mapping[str, str],
        record: Record,
        arrived: float,
    ) -> Response:
        try:
            deadline = arrived + self._admit(headers, record)
            async with RequestWatch(receive, deadline, self._slow) as watch:
                await self._service.pending.admit()
                waited_s = time.monotonic() - arrived
                settings = self._service.settings
                given = await read_input(headers, scope["query_string"], receive, settings)
                watch.has_body()
                accept = headers.get("accept", "")
                call = GenerateCall(given, accept, deadline, record, waited_s)
                return await answer_call(call, self._service)
        except ServiceError as error:
            self._service.metrics.count_problem(error.slug)
            return problem_response(error)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed")
            return problem_response(InternalError("the service failed; its log says why"))

    def _admit(self, headers: Mapping[str, str], record: Record) -> float:
        """Check key, deadline and load; returns the seconds that the request may take.

        Raises Draining, MissingKey, WrongKey, Malformed, Overloaded, DeadlineUnreachable and
        DeadlinePassed, before the body is read.
        """
        service = self._service
        if service.refusing:
            raise Draining("the service is stopping", retry_after_s=1)
        if service.keys is not None:
            key = find_key(service.keys, headers)
            record.note_key(key.name, key.images_per_minute)
        seconds = allowed_s(headers, service.settings.deadline_s)
        service.pending.check_room(seconds)
        service.models.check_room(seconds)
        return seconds

    async def _send(self, scope: Scope, send: Send, response: Response, record: Record) -> None:
        headers = [*response.raw_headers, (b"x-request-id", record.request_id.encode())]
        if self._service.draining:
            headers.append(CLOSE)  # the next request goes to another process
        status = response.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        self._service.unanswered.discard(id(scope))  # before the process can end
        await send({"type": "http.response.body", "body": response.body})


def _joined_headers(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name; repeated ones are joined with commas."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers
