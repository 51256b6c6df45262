"""Parts of the OpenAPI document that the descriptions of several operations share."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from fastapi import APIRouter

from mirage.service.api.content.request_body import JSON
from mirage.service.api.problems import PROBLEM_JSON, URN
from mirage.service.api.schemas import Problem
from mirage.service.errors import (
    PROBLEMS,
    EngineStuck,
    MethodNotAllowed,
    MetricsUnavailable,
    NotFound,
    ServiceError,
)

Responses = dict[int | str, dict[str, Any]]

IMAGES = "Images"  # tag of the operations that make images
TEXT, BINARY = {"type": "string"}, {"type": "string", "format": "binary"}
POSITIVE = {"type": "integer", "minimum": 1}
REF = "#/components/schemas/{model}"
PROBLEM = {PROBLEM_JSON: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}
OF_IMAGES = [
    problem
    for problem in PROBLEMS
    if problem not in (NotFound, MethodNotAllowed, EngineStuck, MetricsUnavailable)
]
"""The errors of operations that make images."""


def descriptions(tag: str) -> APIRouter:
    """Return a router of operations that are only described: plain ASGI callables answer them."""
    return APIRouter(tags=[tag], generate_unique_id_function=attrgetter("name"))


def refusals(*errors: type[ServiceError]) -> Responses:
    """Return the answers of errors by status; their descriptions list title and type of each."""
    responses: Responses = {}
    for error in errors:
        found = responses.setdefault(error.status, {"description": "", "content": PROBLEM})
        found["description"] += f"{error.title} (`{URN}{error.slug}`). "
    return responses


def content(media_types: Iterable[str], schema: dict[str, Any] = BINARY) -> dict[str, Any]:
    """Return the content of a body by media type; FastAPI adds the schema of JSON."""
    return {media: {} if media == JSON else {"schema": schema} for media in media_types}


def header(description: str, example: Any, schema: dict[str, Any] = TEXT) -> dict[str, Any]:
    """Return a header of an answer."""
    return {"description": description, "schema": schema, "example": example}


def parameter(
    place: str, name: str, description: str, example: Any, schema: dict[str, Any]
) -> dict[str, Any]:
    """Return an optional parameter of the query or the headers, which FastAPI does not read."""
    found = header(description, example, schema)
    return {"name": name, "in": place, "required": False, **found}


def deadline(limit: str, example_ms: int = 5000) -> dict[str, Any]:
    """Return the parameter for the deadline of an operation; `limit` describes the longest."""
    text = f"Deadline in milliseconds; the longest is {limit}."
    return parameter("header", "X-Deadline-Ms", text, example_ms, POSITIVE)


COMMON_HEADERS = {
    "Server-Timing": header(
        "Milliseconds in the queue, in the engine and in the encoder before the response began",
        "queue;dur=0.10, engine;dur=2.50, encode;dur=0.30",
    ),
    "Vary": header("What the answer depends on", "Accept"),
}
