"""Answers errors as problem details (RFC 9457)."""

import math

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mirage.service.api.content.request_body import invalid_fields
from mirage.service.errors import InternalError, Malformed, MethodNotAllowed, NotFound, ServiceError
from mirage.service.tasks.requests import (
    InvertRequest,
    PictureRequest,
    TranslateRequest,
    UpscaleRequest,
)
from mirage.service.telemetry.logging import record_of

PROBLEM_JSON = "application/problem+json"
QUERIES: dict[str, type[BaseModel]] = {
    "invert": InvertRequest,
    "translate": TranslateRequest,
    "upscale": UpscaleRequest,
}
"""The query parameters of routes by the last part of their path."""
URN = "urn:mirage:"


def describe(error: ServiceError) -> dict[str, object]:
    """Return the members of every problem."""
    return {
        "type": URN + error.slug,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }


def problem_response(error: ServiceError) -> Response:
    """Return an error as `application/problem+json`, with Retry-After in whole seconds if set."""
    problem = describe(error)
    if error.errors:
        problem["errors"] = error.errors
    headers = dict(error.headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return Response(to_json(problem), error.status, headers, PROBLEM_JSON)


async def answer_service_error(request: Request, error: Exception) -> Response:
    """Count and answer an error."""
    if not isinstance(error, ServiceError):
        raise error
    request.app.state.service.metrics.count_problem(error.slug)
    return problem_response(error)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer errors of the router: unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    allow = dict(error.headers or {}).get("Allow", "")
    methods = ", ".join(sorted({"OPTIONS", *(m for m in allow.split(", ") if m)} | _heads(allow)))
    if error.status_code == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": methods})
    if error.status_code == 405:
        response = problem_response(
            MethodNotAllowed(f"method is {request.method!r:.20}; {methods} are allowed")
        )
        response.headers["Allow"] = methods
        return response
    if error.status_code == 404:
        return problem_response(
            NotFound(f"{request.scope['path']!r:.200} is no path of this service")
        )
    return problem_response(Malformed(str(error.detail)))


async def answer_bad_parameters(request: Request, error: Exception) -> Response:
    """Answer invalid parameters of the path or the query."""
    if not isinstance(error, RequestValidationError):
        raise error
    query = QUERIES.get(request.url.path.rpartition("/")[2], PictureRequest)
    return await answer_service_error(request, invalid_fields(error.errors(), query=query))


async def answer_unknown_error(request: Request, _error: Exception) -> Response:
    """Answer an unexpected error, which the server logs with its traceback and the request id."""
    response = problem_response(InternalError("the service failed; its log says why"))
    response.headers["Connection"] = "close"  # as the server does after it has logged the error
    response.headers["X-Request-Id"] = record_of(request).request_id  # no middleware adds it here
    return response


def _heads(allow: str) -> set[str]:
    return {"HEAD"} if "GET" in allow else set()
