"""Answers input that is not a valid request: malformed heads and bodies, and timeouts."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from mirage.service.api.problems import problem_response
from mirage.service.errors import ServiceError
from mirage.service.telemetry.logging import LogRequests
from mirage.service.telemetry.metrics import Metrics


def answer_errors(metrics: Metrics) -> Callable[[ServiceError], ASGIApp]:
    """Return a factory of applications that answer an error as a problem, count it and log it."""

    def application(error: ServiceError) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            metrics.count_unreadable(error.status, error.slug)
            await problem_response(error)(scope, receive, send)

        logged = LogRequests(answer)

        async def answer_unknown(scope: Scope, receive: Receive, send: Send) -> None:
            await logged({**scope, "method": "", "path": ""}, receive, send)

        return answer_unknown

    return application
