"""Describes `POST /interpolate`, a plain route, in the OpenAPI document."""

from typing import Any

from pydantic.json_schema import models_json_schema

from mirage.service.api.content.negotiation import FRAMES_TYPES
from mirage.service.api.content.request_body import JSON
from mirage.service.settings import Settings
from mirage.service.tasks.requests import InterpolateRequest

BINARY = {"type": "string", "format": "binary"}
REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Walks through the latents from point to point, on great arcs, and makes an image of each step."
    " A frame at a point is the image that /generate makes of its seed, byte for byte; truncation"
    " and directions act on every frame. The answer follows Accept: for */* a ZIP of PNG frames,"
    " which for long walks is sent while later frames are made (if those fail, the connection is"
    " dropped), or an animation that repeats: a GIF (256 colours), an APNG or a lossless WebP."
)
HEADERS = {
    "X-Model": "Name and version that made the frames, as mnist@1",
    "X-Upscale": "Name and version that enlarged them, as icon-x4@1, if one was asked for",
    "Server-Timing": "Milliseconds in the queue, in the engine and in encoding; not of long walks",
    "Vary": "Accept",
}


def interpolation_paths(
    deadline: dict[str, Any], refusals: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The path and its operation; the header of the deadline and the refusals are generate's."""
    operation = {
        "operationId": "interpolate",
        "summary": "Walk between images",
        "description": DESCRIPTION,
        "parameters": [deadline],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": REF.format(model="InterpolateRequest")}}},
        },
        "responses": {"200": _success(), **refusals},
    }
    return {"/interpolate": {"post": operation}}


def interpolation_schemas(settings: Settings) -> dict[str, Any]:
    """The schemas of the body, with the limits of the settings."""
    _, definitions = models_json_schema([(InterpolateRequest, "validation")], ref_template=REF)
    schemas: dict[str, Any] = definitions["$defs"]
    fields = schemas["InterpolateRequest"]["properties"]
    fields["points"]["maxItems"] = settings.frames_per_request
    fields["steps"]["anyOf"][0]["maximum"] = settings.frames_per_request
    return schemas


def _success() -> dict[str, Any]:
    return {
        "description": "The frames",
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in HEADERS.items()
        },
        "content": {media: {"schema": BINARY} for media in FRAMES_TYPES},
    }
