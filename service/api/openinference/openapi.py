"""Writes the protocol's paths into the OpenAPI document: FastAPI does not see plain routes."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mirage.service.api.content.request_body import JSON, OCTETS
from mirage.service.api.openinference.codec import WINDOW_BITS
from mirage.service.api.openinference.routes import status_of
from mirage.service.api.openinference.schemas import (
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from mirage.service.errors import (
    BodyTooLarge,
    DeadlinePassed,
    DeadlineUnreachable,
    Draining,
    EngineStuck,
    InternalError,
    InvalidValue,
    LimitExceeded,
    Malformed,
    MissingKey,
    ModelRefused,
    NoSuchModel,
    NotReady,
    Overloaded,
    RateLimited,
    ServiceError,
    UnsupportedBody,
    WrongKey,
)

SCHEMAS: tuple[type[BaseModel], ...] = (
    *(InferenceRequest, InferenceResponse, InferenceError),
    *(ServerMetadata, ServerLive, ServerReady, ModelMetadata, ModelReady),
)
REF = "#/components/schemas/{model}"
TAG = "Open Inference Protocol"
KEYS = (MissingKey, WrongKey)
ABSENT = (NoSuchModel, ModelRefused, NotReady, Draining)
OF_SERVER: tuple[type[ServiceError], ...] = (*KEYS, InternalError)
OF_READY: tuple[type[ServiceError], ...] = (NotReady, Draining)
OF_MODEL: tuple[type[ServiceError], ...] = (*OF_SERVER, *ABSENT)
OF_INFER: tuple[type[ServiceError], ...] = (
    *(Malformed, InvalidValue, LimitExceeded, *KEYS, BodyTooLarge, UnsupportedBody),
    *(Overloaded, RateLimited, DeadlineUnreachable, InternalError, *ABSENT, DeadlinePassed),
)
WITH_RETRY_AFTER = ("429", "503")


def inference_schemas() -> dict[str, Any]:
    """The components of the document that the paths refer to."""
    _, found = models_json_schema([(model, "validation") for model in SCHEMAS], ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def inference_paths() -> dict[str, Any]:
    """All paths, models with and without a version."""
    paths = {
        "/v2": _get("server", "Describe the server", ServerMetadata, OF_SERVER),
        "/v2/health/live": _get("live", "Is the server alive?", ServerLive, (EngineStuck,)),
        "/v2/health/ready": _get("ready", "Is the server ready?", ServerReady, OF_READY),
    }
    for suffix, version in (("", ""), ("_version", "/versions/{version}")):
        path = f"/v2/models/{{name}}{version}"
        places = _of_model(versioned=bool(version))
        paths |= {
            path: _get(f"model{suffix}", "Describe a model", ModelMetadata, OF_MODEL, places),
            f"{path}/ready": _get(
                f"model_ready{suffix}", "Is a model ready?", ModelReady, OF_MODEL, places
            ),
            f"{path}/infer": {"post": _infer(suffix, places)},
        }
    return paths


def _get(
    name: str,
    summary: str,
    answer: type,
    errors: tuple[type[ServiceError], ...],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation = {
        "operationId": f"inference_{name}",
        "tags": [TAG],
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": _content(answer, "The answer"), **_refusals(errors)},
    }
    return {"get": operation}


def _infer(suffix: str, places: list[dict[str, Any]]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    body = {"required": True, "content": _content(InferenceRequest)["content"] | {OCTETS: binary}}
    answer = _content(InferenceResponse, "The images; Vary: Accept-Encoding")
    answer["content"][OCTETS] = binary
    answer["headers"] = {"Inference-Header-Content-Length": _header("Bytes of the JSON, if binary")}
    return {
        "operationId": f"inference_infer{suffix}",
        "tags": [TAG],
        "summary": "Make images",
        "description": (
            "Inputs `latents` FP32 [n, latent_dim] and, for models with classes only, `labels`"
            " INT64 [n]; of models that enlarge pictures, `pictures` UINT8 [n, H, W, C], each no"
            " larger than a tile. Output `images` UINT8 [n, H, W, C]. Binary tensors stand"
            " little-endian behind the JSON, in the order of the inputs. Bodies may be compressed"
            " both ways"
            f" ({', '.join(WINDOW_BITS)}); the limit of a body holds for what it decompresses to."
        ),
        "parameters": [
            *places,
            _in_header("Inference-Header-Content-Length", "Bytes of the JSON, if binary", 512),
            _in_header("X-Deadline-Ms", "Milliseconds to the answer", 5000),
        ],
        "requestBody": body,
        "responses": {"200": answer, **_refusals(OF_INFER)},
    }


def _of_model(*, versioned: bool) -> list[dict[str, Any]]:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    version = name | {"name": "version", "description": "A published version", "example": "1"}
    named = name | {"description": "A model of the service", "example": "mnist"}
    return [named, version] if versioned else [named]


def _in_header(name: str, description: str, example: int) -> dict[str, Any]:
    return {"name": name, "in": "header", **_header(description), "example": example}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 1}}


def _content(answer: type, description: str | None = None) -> dict[str, Any]:
    described = {} if description is None else {"description": description}
    return described | {"content": {JSON: {"schema": {"$ref": REF.format(model=answer.__name__)}}}}


def _refusals(errors: tuple[type[ServiceError], ...]) -> dict[str, Any]:
    """The errors by their status in the protocol."""
    statuses: dict[str, Any] = {}
    for error in errors:
        status = str(status_of(error.status))
        entry = statuses.setdefault(status, _content(InferenceError, ""))
        entry["description"] += f"{error.title}. "
        if status in WITH_RETRY_AFTER:
            entry["headers"] = {"Retry-After": _header("Seconds until trying again may help")}
    return statuses
