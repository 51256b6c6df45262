"""The body and the answer of `POST /invert`, which FastAPI cannot derive."""

from typing import Any

from mirage.service.api.content.form import FORM
from mirage.service.api.content.negotiation import INVERSION_TYPES, JSON
from mirage.service.api.content.request_body import OCTETS
from mirage.service.api.document.parts import (
    BINARY,
    COMMON_HEADERS,
    OF_IMAGES,
    Responses,
    content,
    deadline,
    header,
    refusals,
)
from mirage.service.api.schemas import Inverted
from mirage.service.media.encoding import JPEG, PNG, WEBP
from mirage.service.tasks.requests import InvertRequest

DESCRIPTION = (
    "The body is a picture (PNG, JPEG or WebP), or a form with the file `picture` and these"
    " parameters as fields. It is cropped to the middle and resized to the size of the model's"
    " images. The answer has the latents and the label whose image is closest to it, which"
    " `POST /generate` takes together with `directions`. The search makes latent_dim + 8 images per"
    " iteration, which count towards rate limits. The same picture and parameters give the same"
    " bytes. `error` is the mean squared difference with values in [-1, 1], and `typical_error`"
    " that of images which the model itself has made: a much larger one means that the model cannot"
    " draw such a picture."
)


def invert_extra() -> dict[str, Any]:
    """Return the additions to the operation."""
    fields = InvertRequest.model_json_schema()["properties"]
    picture = {**BINARY, "description": "a PNG, JPEG or WebP"}
    form = {"type": "object", "required": ["picture"], "properties": {"picture": picture, **fields}}
    bodies = content((PNG, JPEG, WEBP, OCTETS)) | content((FORM,), form)
    return {
        "parameters": [deadline("picture_deadline_s of GET /models/{name}", 60_000)],
        "requestBody": {"required": True, "content": bodies},
    }


def invert_responses() -> Responses:
    """Return the answers by status."""
    answer = {
        "description": "The latents and their image; as a ZIP, both in files of their own",
        # JSON first: generated clients parse the first type.
        "content": {JSON: {}} | content(media for media in INVERSION_TYPES if media != JSON),
        "model": Inverted,
        "headers": {
            "X-Model": header("Name and version that makes the image", "mnist@3"),
            "X-Label": header("The class index, of conditional models", "3"),
            "X-Error": header("As `error` in JSON", "0.021500"),
            "X-Typical-Error": header("As `typical_error` in JSON", "0.012000"),
            **COMMON_HEADERS,
        },
    }
    return {200: answer, **refusals(*OF_IMAGES)}
