"""The OpenAPI document: what FastAPI derives, and what depends on settings and middleware."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mirage.service.api.content.request_body import LISTS
from mirage.service.api.document.images import describe_images
from mirage.service.api.document.parts import POSITIVE, REF, header, parameter, refusals
from mirage.service.api.openinference.openapi import describe_inference
from mirage.service.api.openinference.schemas import InferenceRequest
from mirage.service.api.schemas import Problem
from mirage.service.api.security.auth import is_open
from mirage.service.errors import InternalError, MissingKey, WrongKey
from mirage.service.settings import Settings
from mirage.service.tasks.requests import GenerateRequest, InterpolateRequest

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key"},
}
ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
ID_PARAMETER = parameter(
    "header",
    "X-Request-Id",
    "Returned with the response and written to the log. An invalid one is replaced.",
    "order-7",
    ID,
)
ID_HEADER = header("The request's own, or one that the service made", "order-7", ID)
CHALLENGE = header("How keys are given", MissingKey.headers["WWW-Authenticate"])
RETRY_AFTER = header("Seconds until trying again may help", 2, POSITIVE)
HEADERS = {
    "401": {"WWW-Authenticate": CHALLENGE},
    "429": {"Retry-After": RETRY_AFTER},
    "503": {"Retry-After": RETRY_AFTER},
}
WITH_KEY = refusals(MissingKey, WrongKey, InternalError)  # of paths that need a key
# FastAPI does not know the first, and rounds the 64-bit bounds of the others.
EXACT: list[type[BaseModel]] = [Problem, GenerateRequest, InterpolateRequest, InferenceRequest]
COUNTS = {"count": "images_per_request", "steps": "frames_per_request"}  # as LISTS


def write_document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the document of the application, with the limits of its settings."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=[
            *describe_images(settings).routes,
            *app.routes,
            *describe_inference(app.routes).routes,
        ],
        servers=[{"url": settings.root_path or "/", "description": "this service"}],
    )
    schemas = document["components"]["schemas"]
    _, exact = models_json_schema([(model, "validation") for model in EXACT], ref_template=REF)
    schemas |= exact["$defs"]
    del schemas["HTTPValidationError"], schemas["ValidationError"]
    _limit(schemas, settings)
    document["components"]["securitySchemes"] = SCHEMES
    security: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    if settings.keys_file is None:
        security.insert(0, {})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not is_open(path):
                operation["security"] = security
            _complete(operation)
    _drop_null_defaults(document)
    return document


def _limit(schemas: dict[str, Any], settings: Settings) -> None:
    """Set the limits of lists and counts in requests."""
    fields: dict[str, Any] = {}
    for model in (GenerateRequest, InterpolateRequest):
        fields |= schemas[model.__name__]["properties"]
    for limits, kind, bound in ((LISTS, "array", "maxItems"), (COUNTS, "integer", "maximum")):
        for name, setting in limits.items():
            kinds = fields[name].get("anyOf", [fields[name]])
            (schema,) = (schema for schema in kinds if schema["type"] == kind)
            schema[bound] = getattr(settings, setting)


def _drop_null_defaults(part: Any) -> None:
    """Remove defaults that are null or have null members: such fields are simply absent.

    Generators of clients take a null default for a value to send, or refuse it where null is not
    allowed.
    """
    if isinstance(part, list):
        for each in part:
            _drop_null_defaults(each)
    elif isinstance(part, dict):
        default = part.get("default", False)
        if default is None or (isinstance(default, dict) and None in default.values()):
            del part["default"]
        for name, each in part.items():
            if name not in ("example", "examples"):
                _drop_null_defaults(each)


def _complete(operation: dict[str, Any]) -> None:
    """Add what the middleware does, and remove FastAPI's own validation errors."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if "security" in operation:
        for status, response in WITH_KEY.items():
            responses.setdefault(str(status), response.copy())
    operation.setdefault("parameters", []).append(ID_PARAMETER)
    for status, response in responses.items():
        more = {"X-Request-Id": ID_HEADER, **HEADERS.get(status, {})}
        response["headers"] = response.get("headers", {}) | more
