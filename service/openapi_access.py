"""Writes into the OpenAPI document who may ask, and what all requests and answers can carry."""

from typing import Any

from mirage.service.access import is_open
from mirage.service.errors import InternalError, MissingKey, ServiceError, WrongKey
from mirage.service.problems import PROBLEM_JSON, URN

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key"},
}
ANYWHERE: tuple[type[ServiceError], ...] = (MissingKey, WrongKey, InternalError)
ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
ID_PARAMETER = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Comes back with the answer, and stands in the log. One that is not allowed is"
    " replaced.",
    "schema": ID,
    "example": "order-7",
}
ID_HEADER = {
    "description": "The request's own, or one that the service made",
    "schema": ID,
    "example": "order-7",
}
CHALLENGE = {
    "description": "How keys are given",
    "schema": {"type": "string"},
    "example": MissingKey.headers["WWW-Authenticate"],
}
RETRY_AFTER = {
    "description": "Seconds until trying again may help",
    "schema": {"type": "integer", "minimum": 1},
    "example": 2,
}
WITH_RETRY_AFTER = {"429", "503"}


def write_access(document: dict[str, Any], *, keys_needed: bool) -> None:
    """Add the ways to give a key, the ids of requests, and the errors that stand before routes."""
    document["components"]["securitySchemes"] = SCHEMES
    security: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not is_open(path):
                operation["security"] = security if keys_needed else [{}, *security]
                _add_errors(operation["responses"])
            operation["parameters"] = [*operation.get("parameters", ()), ID_PARAMETER]
            _add_headers(operation["responses"])


def _add_errors(responses: dict[str, Any]) -> None:
    """The errors of every path that needs a key, where the path does not tell them itself."""
    for error in ANYWHERE:
        responses.setdefault(
            str(error.status),
            {
                "description": f"{error.title} (`{URN}{error.slug}`).",
                "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )


def _add_headers(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = ID_HEADER
        if status in WITH_RETRY_AFTER:
            headers["Retry-After"] = RETRY_AFTER
        if status == str(MissingKey.status):
            headers["WWW-Authenticate"] = CHALLENGE
