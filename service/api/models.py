"""Routes for models: their list, descriptions, samples and cards."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from mirage.service.api.content.attachment import CARD, SAMPLES, find_attachment
from mirage.service.api.content.request_body import check_query
from mirage.service.api.document.parts import BINARY, TEXT, Responses, content, header, refusals
from mirage.service.api.model_info import ModelDetail, ModelList, describe_model, list_known
from mirage.service.api.state import Service, service_of
from mirage.service.errors import (
    InvalidValue,
    ModelRefused,
    NoSuchModel,
    NotFound,
    NotReady,
)

IMMUTABLE = "max-age=31536000, immutable"
Name = Annotated[str, Path(description="a model of the service", examples=["mnist"])]
Version = Annotated[
    int | None,
    Query(ge=1, description="default: the model's released version", examples=[1]),
]

router = APIRouter(tags=["Models"])


def _attached(text: str, media_type: str, schema: dict[str, str] = TEXT) -> Responses:
    """Return the answers of a path for a file of a version."""
    return {
        200: {
            "description": f"{text}; verified as all of a bundle",
            "content": content((media_type,), schema),
            "headers": {
                "ETag": header("of these bytes", '"5f4e…"'),
                "Cache-Control": header("immutable when the version is given", IMMUTABLE),
                "X-Model": header("name and version", "mnist@1"),
            },
        },
        304: {"description": "The ETag is among those of If-None-Match"},
        **refusals(NoSuchModel, NotFound, InvalidValue, NotReady, ModelRefused),
    }


@router.get("/models", summary="List the models")
async def get_models(request: Request) -> ModelList:
    """All models in the models folder, with their published and released versions."""
    return await list_known(service_of(request))


@router.get("/models/{name}", summary="Describe a model", responses=refusals(NoSuchModel))
async def get_model(request: Request, name: Name) -> ModelDetail:
    """A model: its loaded versions, and what the bytes of its images depend on."""
    return await describe_model(service_of(request), name)


@router.get(
    "/models/{name}/samples",
    summary="Show samples of a model",
    response_class=Response,
    dependencies=[Depends(check_query)],
    responses=_attached("A grid of images", "image/png", BINARY),
)
async def get_samples(request: Request, name: Name, version: Version = None) -> Response:
    """The sample grid of a version, loaded or not, as PNG."""
    return await _attachment(request, name, version, SAMPLES, "image/png")


@router.get(
    "/models/{name}/card",
    summary="Show the card of a model",
    response_class=Response,
    dependencies=[Depends(check_query)],
    responses=_attached("Data, licence, scores and limits, in Markdown", "text/markdown"),
)
async def get_card(request: Request, name: Name, version: Version = None) -> Response:
    """The model card of a version, loaded or not, as Markdown."""
    return await _attachment(request, name, version, CARD, "text/markdown")


async def _attachment(
    request: Request, model: str, version: int | None, name: str, media_type: str
) -> Response:
    service = service_of(request)
    attachment = await find_attachment(service, model, version, name)
    headers = {
        "ETag": attachment.etag,
        "Cache-Control": _caching(service, is_fixed=version is not None),
        "X-Model": f"{attachment.manifest.name}@{attachment.manifest.version}",
    }
    if attachment.is_known(",".join(request.headers.getlist("if-none-match"))):
        return Response(status_code=304, headers=headers)
    return Response(await attachment.read(), 200, headers, media_type)


def _caching(service: Service, *, is_fixed: bool) -> str:
    """Return the Cache-Control header; with keys, shared caches must not store the answer."""
    caching = IMMUTABLE if is_fixed else "no-cache"
    return caching if service.keys is None else f"private, {caching}"
