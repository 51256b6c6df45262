"""The bodies, answers and problems of `POST /upscale`, which FastAPI cannot derive."""

from typing import Any

from mirage.service.api.content.form import FORM
from mirage.service.api.content.negotiation import PICTURE_TYPES
from mirage.service.api.content.request_body import OCTETS
from mirage.service.api.problems import URN
from mirage.service.api.schemas import Problem
from mirage.service.errors import PROBLEMS
from mirage.service.media.encoding import JPEG, PNG, WEBP, ZIP
from mirage.service.tasks.requests import UpscaleRequest

DESCRIPTION = (
    "The body is a picture (PNG, JPEG or WebP; its first bytes decide), a form with the file"
    " `picture` and these parameters as fields, or a ZIP of pictures, which is answered by a ZIP of"
    " PNGs. The same picture and parameters give the same bytes. The orientation that EXIF tells is"
    " applied and a colour profile kept; all other metadata is dropped. Alpha is enlarged by the"
    " same model. Grey stays grey, palettes become RGB, and 16 bits lose the lower 8; CMYK and"
    " animations are refused. Large PNGs, and ZIPs, are sent while they are made: if that fails,"
    " the connection is dropped. An entry of a ZIP that fails is left out, and `errors.json` at its"
    " end tells why."
)
BINARY = {"type": "string", "format": "binary"}
HEADERS = {
    "X-Model": ("Name and version that enlarged the picture", "icon-x4@1"),
    "X-Scale": ("How many times as large it is", "4"),
    "Server-Timing": ("Milliseconds in each stage; not of what is sent while it is made", "…"),
    "Vary": ("What the answer depends on", "Accept"),
}
NOT_OF_UPSCALE = {"not-found", "method-not-allowed", "engine-stuck"}
DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "required": False,
    "description": "Milliseconds to the answer; at most picture_deadline_s of GET /models/{name}",
    "schema": {"type": "integer", "minimum": 1},
    "example": 60000,
}


def upscale_extra() -> dict[str, Any]:
    """Return the additions to the operation."""
    fields = UpscaleRequest.model_json_schema()["properties"]
    picture = {**BINARY, "description": "a PNG, JPEG or WebP, or a ZIP of them"}
    form = {"type": "object", "required": ["picture"], "properties": {"picture": picture, **fields}}
    content = {media: {"schema": BINARY} for media in (PNG, JPEG, WEBP, OCTETS, ZIP)}
    return {
        "parameters": [DEADLINE],
        "requestBody": {"required": True, "content": {**content, FORM: {"schema": form}}},
    }


def upscale_responses() -> dict[int | str, dict[str, Any]]:
    """Return the answers by status; problems with their types."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The enlarged picture, or a ZIP of several",
            "content": {media: {"schema": BINARY} for media in (*PICTURE_TYPES, ZIP)},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}, "example": example}
                for name, (text, example) in HEADERS.items()
            },
        }
    }
    for problem in PROBLEMS:
        if problem.slug not in NOT_OF_UPSCALE:
            entry = responses.setdefault(problem.status, {"model": Problem, "description": ""})
            entry["description"] += f"{problem.title} (`{URN}{problem.slug}`). "
    return responses
