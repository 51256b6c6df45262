"""Describes `POST /generate` and `POST /interpolate`, which plain ASGI callables answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from mirage.service.api.content.negotiation import ANSWER_TYPES, FRAMES_TYPES
from mirage.service.api.content.request_body import NPY, OCTETS
from mirage.service.api.document.parts import (
    COMMON_HEADERS,
    IMAGES,
    OF_IMAGES,
    TEXT,
    content,
    deadline,
    descriptions,
    header,
    parameter,
    refusals,
)
from mirage.service.api.schemas import GeneratedImages, GeneratedSequences, GeneratedSounds
from mirage.service.media.sequences import FASTA
from mirage.service.media.sequences import TEXT as SEQUENCES
from mirage.service.media.sounds import FLAC, WAV
from mirage.service.settings import Settings
from mirage.service.tasks.requests import GenerateRequest, InterpolateRequest

# What models of images answer, then what others do.
ALL_TYPES = (*ANSWER_TYPES, WAV, FLAC, SEQUENCES, FASTA)
IN_QUERY = ("index", "labels", "directions", "model", "version", "layout", "upscale")
AS_TEXT = {"labels": "3", "directions": "0:1.5,3:-2"}  # their own form in a query
HEADERS = {
    "X-Model": header("Name and version that made the images", "mnist@1"),
    "X-Upscale": header("Name and version that enlarged them, if one was asked for", "icon-x4@1"),
    **COMMON_HEADERS,
}
X_SEED = header("The seed, also when the service drew it; absent for posted latents", "7")


def describe_images(settings: Settings) -> APIRouter:
    """Return the descriptions, with the limits of the settings."""
    router = descriptions(IMAGES)
    deadlines = [deadline(f"{1000 * settings.deadline_s:g}")]

    @router.post(
        "/generate",
        summary="Make images",
        description=(
            "An image is determined by model version, seed, index, label, truncation and"
            " directions: its latent is z' = truncation·z + Σ aₖ·vₖ, in float32, by index, then by"
            " name. Latents"
            " may also be the body itself, as .npy or as bare little-endian float32, of up to"
            f" {settings.body_bytes} bytes where JSON may have {settings.json_bytes}; the other"
            " fields are then query parameters, which a JSON body excludes. The answer follows"
            " Accept: for */* one image is a PNG and several are a ZIP. A model of sounds answers"
            " one as WAV, or FLAC where `soundfile` is installed, and several as a ZIP of WAVs; a"
            " model of sequences answers text, one a line, or FASTA if its alphabet has only"
            " letters, `*` and `-`. Both take neither `layout` nor `upscale`."
        ),
        response_class=Response,
        responses={
            200: {
                "description": "The images",
                "model": GeneratedImages | GeneratedSounds | GeneratedSequences,
                "content": content(ALL_TYPES),
                "headers": {"X-Seed": X_SEED, **HEADERS},
            },
            **refusals(*OF_IMAGES),
        },
        openapi_extra={
            "parameters": [*map(_in_query, IN_QUERY), *deadlines],
            "requestBody": {"content": content((NPY, OCTETS))},
        },
    )
    def generate(
        body: Annotated[GenerateRequest | SkipJsonSchema[None], Body()] = None,
    ) -> None: ...

    @router.post(
        "/interpolate",
        summary="Walk between images",
        response_class=Response,
        responses={
            200: {
                "description": "The frames",
                "content": content((*FRAMES_TYPES, SEQUENCES)),
                "headers": HEADERS,
            },
            **refusals(*OF_IMAGES),
        },
        openapi_extra={"parameters": deadlines},
    )
    def interpolate(body: InterpolateRequest) -> None:
        """
        Interpolates the latents from point to point, on great arcs, and makes an image for each
        step. The frame at a point is byte for byte the image that /generate makes from its seed;
        truncation and directions apply to every frame. The answer follows Accept: for */* a ZIP of
        PNG frames, which for long walks is sent while later frames are made (if those fail, the
        connection is dropped), or an animation that repeats: a GIF (256 colours), an APNG or a
        lossless WebP. A model of sounds makes a ZIP of WAVs, and one of sequences text with a line
        for each step, or a ZIP; both take neither `upscale` nor `duration_ms`.
        """

    return router


def _in_query(name: str) -> dict[str, Any]:
    """Return a field as a parameter, as it is beside a body of latents."""
    field = GenerateRequest.model_json_schema()["properties"][name]
    schema, example = field["anyOf"][0], field["examples"][0]
    if name in AS_TEXT:
        schema, example = TEXT, AS_TEXT[name]
    text = f"Only with a body of latents. {field['description']}"
    return parameter("query", name, text, example, schema)
