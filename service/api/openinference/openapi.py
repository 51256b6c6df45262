"""Describes the protocol's routes for the OpenAPI document: FastAPI does not see plain routes."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from starlette.routing import BaseRoute, Route

from mirage.service.api.content.request_body import OCTETS
from mirage.service.api.document.parts import (
    OF_IMAGES,
    POSITIVE,
    Responses,
    content,
    deadline,
    descriptions,
    header,
    parameter,
)
from mirage.service.api.models import Name
from mirage.service.api.openinference import routes as protocol
from mirage.service.api.openinference.codec import WINDOW_BITS
from mirage.service.api.openinference.repository import IndexRequest, ModelConfig, ModelIndex
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
    Draining,
    EngineStuck,
    HeadTooLarge,
    InternalError,
    InvalidValue,
    LimitExceeded,
    Malformed,
    MissingKey,
    ModelRefused,
    NoReleasedModel,
    NoSuchModel,
    NotAcceptable,
    NotReady,
    RequestTimeout,
    ServiceError,
    WrongKey,
)

OF_SERVER = (MissingKey, WrongKey, InternalError)
OF_READY = (NotReady, Draining)
OF_SERVER_READY = (*OF_READY, NoReleasedModel)
OF_MODEL = (*OF_SERVER, NoSuchModel, ModelRefused, *OF_READY)
OF_INDEX = (*OF_SERVER, Malformed, InvalidValue, BodyTooLarge, LimitExceeded, RequestTimeout)
NOT_OF_INFER = {NotAcceptable, RequestTimeout, HeadTooLarge}
OF_INFER = [error for error in OF_IMAGES if error not in NOT_OF_INFER]
LENGTH = "Inference-Header-Content-Length"
BYTES_OF_JSON = "Bytes of the JSON, if binary tensors follow it", 512, POSITIVE
ABOUT_INFER = (
    "Inputs `latents` FP32 [n, latent_dim] and, for models with classes only, `labels` INT64 [n];"
    " of models that enlarge or translate pictures, `pictures` UINT8 [n, H, W, C], each no larger"
    " than a tile. Output `images` UINT8 [n, H, W, C]; of sounds `audio` INT16 [n, samples]; of"
    " sequences `tokens` UINT8 [n, length]. Binary tensors follow the JSON, little-endian and in"
    " the order of the inputs. Bodies may be compressed both ways"
    f" ({', '.join(WINDOW_BITS)}); the limit of a body holds for what it decompresses to."
)


def describe_inference(routes: Iterable[BaseRoute]) -> APIRouter:
    """Return the descriptions of those routes that are the protocol's."""
    described, about = descriptions("Open Inference Protocol"), _about()
    for route in routes:
        if isinstance(route, Route) and (more := about.get(route.endpoint)):
            name = f"inference_{route.endpoint.__name__.removeprefix('get_')}"
            given = [*route.param_convertors, *BODIES.get(route.endpoint, ())]
            described.add_api_route(
                route.path,
                route.endpoint,
                name=f"{name}_version" if "version" in given else name,
                dependencies=[Depends(GIVEN[part]) for part in given],
                **more,
            )
    return described


def _name(name: Name) -> None: ...


def _version(
    version: Annotated[str, Path(description="a published version", examples=["1"])],
) -> None: ...


def _body(body: InferenceRequest) -> None: ...


def _wanted(body: Annotated[IndexRequest | SkipJsonSchema[None], Body()] = None) -> None: ...


GIVEN: dict[str, Callable[..., None]] = {
    "name": _name,
    "version": _version,
    "body": _body,
    "wanted": _wanted,
}
BODIES: dict[Any, tuple[str, ...]] = {protocol.infer: ("body",), protocol.get_index: ("wanted",)}


def _about() -> dict[Any, dict[str, Any]]:
    """Return by endpoint what its route does not tell."""
    infer = _answers("Make images", InferenceResponse, OF_INFER)
    infer["responses"][200] = {
        "description": "The images; Vary: Accept-Encoding",
        "content": content((OCTETS,)),
        "headers": {LENGTH: header(*BYTES_OF_JSON)},
    }
    infer["openapi_extra"] = {
        "parameters": [
            parameter("header", LENGTH, *BYTES_OF_JSON),
            deadline("deadline_s of GET /models/{name}"),
        ],
        "requestBody": {"content": content((OCTETS,))},
    }
    return {
        protocol.get_server: _answers("Describe the server", ServerMetadata, OF_SERVER),
        protocol.get_live: _answers("Is the server alive?", ServerLive, (EngineStuck,)),
        protocol.get_ready: _answers("Is the server ready?", ServerReady, OF_SERVER_READY),
        protocol.get_model: _answers("Describe a model", ModelMetadata, OF_MODEL),
        protocol.get_model_ready: _answers("Is a model ready?", ModelReady, OF_MODEL),
        protocol.get_model_config: _answers("Configuration of a model", ModelConfig, OF_MODEL),
        protocol.get_index: {
            **_answers("List the versions of all models", ModelIndex, OF_INDEX),
            "methods": ["POST"],
        },
        protocol.infer: {**infer, "methods": ["POST"], "description": ABOUT_INFER},
    }


def _answers(
    summary: str, model: type[BaseModel], errors: Iterable[type[ServiceError]]
) -> dict[str, Any]:
    """Return the summary of an operation and its answers; errors by their status here."""
    titles: dict[int | str, str] = defaultdict(str)
    for error in errors:
        titles[protocol.status_of(error.status)] += f"{error.title}. "
    responses: Responses = {
        status: {"model": InferenceError, "description": text} for status, text in titles.items()
    }
    return {
        "summary": summary,
        "response_model": model,
        "response_description": model.__doc__,
        "responses": responses,
    }
