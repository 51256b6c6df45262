"""The parts of the OpenAPI document that FastAPI cannot derive."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mirage.service.api.content.negotiation import ANSWER_TYPES
from mirage.service.api.content.request_body import JSON, NPY, OCTETS
from mirage.service.api.document.openapi_interpolation import (
    interpolation_paths,
    interpolation_schemas,
)
from mirage.service.api.openinference.openapi import inference_paths, inference_schemas
from mirage.service.api.problems import PROBLEM_JSON, URN
from mirage.service.api.schemas import GeneratedImages, Problem
from mirage.service.api.security.auth import is_open
from mirage.service.errors import PROBLEMS, InternalError, MissingKey, ServiceError, WrongKey
from mirage.service.settings import Settings
from mirage.service.tasks.requests import GenerateRequest

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
    """Add authentication, request ids, and the errors of the middleware."""
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
    """Add the errors of all paths that need a key, unless the path describes them."""
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


REF = "#/components/schemas/{model}"
BINARY = {"type": "string", "format": "binary"}
MODELS: tuple[type[BaseModel], ...] = (GenerateRequest, GeneratedImages, Problem)
NOT_OF_GENERATE = {"not-found", "method-not-allowed", "engine-stuck"}
IN_QUERY = ("index", "labels", "directions", "model", "version", "layout", "upscale")
AS_TEXT = {
    "labels": "3",
    "directions": "0:1.5,3:-2",
}  # fields that a query has in a form of its own


def write_document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the document of the application, with the limits of its settings."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
    )
    schemas = _schemas(settings)
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
    fields = schemas["GenerateRequest"]["properties"]
    document["components"]["schemas"].update(interpolation_schemas(settings))
    document["paths"] = {
        "/generate": {"post": _operation(fields, settings)},
        **interpolation_paths(_deadline_parameter(settings), _refusals()),
        **document["paths"],
    }
    _as_problems(document)
    document["components"]["schemas"].update(inference_schemas())
    document["paths"].update(inference_paths())
    write_access(document, keys_needed=settings.keys_file is not None)
    return document


def _schemas(settings: Settings) -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template=REF
    )
    schemas: dict[str, Any] = definitions["$defs"]
    fields = schemas["GenerateRequest"]["properties"]
    for name, bound in (("count", "maximum"), ("latents", "maxItems"), ("labels", "maxItems")):
        counted = "integer" if bound == "maximum" else "array"
        (kind,) = (kind for kind in fields[name]["anyOf"] if kind["type"] == counted)
        kind[bound] = settings.images_per_request
    return schemas


def _operation(fields: dict[str, Any], settings: Settings) -> dict[str, Any]:
    return {
        "operationId": "generate",
        "summary": "Make images",
        "description": (
            "An image is determined by model version, seed, index, label, truncation and"
            " directions: its latent is z' = truncation·z + Σ aₖ·vₖ, in float32, by index. Latents"
            " may also be the body itself, as .npy or as bare little-endian float32, of up to"
            f" {settings.body_bytes} bytes where JSON may have {settings.json_bytes}; the other"
            " fields are then query parameters, which a JSON body excludes. The answer follows"
            " Accept: for */* one image is a PNG and several are a ZIP."
        ),
        "parameters": [
            *(_query_parameter(name, fields[name]) for name in IN_QUERY),
            _deadline_parameter(settings),
        ],
        "requestBody": {
            "required": False,
            "content": {
                JSON: {"schema": {"$ref": REF.format(model="GenerateRequest")}},
                NPY: {"schema": BINARY},
                OCTETS: {"schema": BINARY},
            },
        },
        "responses": {"200": _success(), **_refusals()},
    }


def _query_parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {key: field[key] for key in ("anyOf", "enum") if key in field}
    if name in AS_TEXT:
        schema = {"type": "string"}
    elif "anyOf" in schema:
        schema = next(kind for kind in schema["anyOf"] if kind.get("type") != "null")
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"Only beside a body of latents. {field.get('description', '')}",
        "schema": schema,
        "example": AS_TEXT[name] if name in AS_TEXT else field["examples"][0],
    }


def _deadline_parameter(settings: Settings) -> dict[str, Any]:
    return {
        "name": "X-Deadline-Ms",
        "in": "header",
        "required": False,
        "description": f"Milliseconds to the answer; at most {1000 * settings.deadline_s:g} count.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5000,
    }


def _success() -> dict[str, Any]:
    content: dict[str, Any] = {media: {"schema": BINARY} for media in ANSWER_TYPES}
    content[JSON] = {"schema": {"$ref": REF.format(model="GeneratedImages")}}
    headers = {
        "X-Seed": "The seed, also when the service drew it; absent for posted latents",
        "X-Model": "Name and version that made the images, as mnist@1",
        "X-Upscale": "Name and version that enlarged them, as icon-x4@1, if one was asked for",
        "Server-Timing": "Milliseconds in the queue, in the engine and in encoding",
        "Vary": "Accept",
    }
    return {
        "description": "The images",
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        },
        "content": content,
    }


def _refusals() -> dict[str, Any]:
    """Return the problems of generate by status, with their types."""
    statuses: dict[str, Any] = {}
    for problem in PROBLEMS:
        if problem.slug not in NOT_OF_GENERATE:
            entry = statuses.setdefault(str(problem.status), {"description": ""})
            entry["description"] += f"{problem.title} (`{URN}{problem.slug}`). "
            entry["content"] = {JSON: {"schema": {"$ref": REF.format(model="Problem")}}}
    return statuses


def _as_problems(document: dict[str, Any]) -> None:
    """Set the media type of errors, and remove FastAPI's validation errors."""
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]
            for status, response in responses.items():
                if status >= "400" and JSON in response.get("content", {}):
                    response["content"] = {PROBLEM_JSON: response["content"][JSON]}
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
