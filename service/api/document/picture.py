"""The bodies and answers of `POST /upscale` and `/translate`, which FastAPI cannot derive."""

from typing import Any

from mirage.service.api.content.form import FORM
from mirage.service.api.content.negotiation import PICTURE_TYPES
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
from mirage.service.media.encoding import JPEG, PNG, WEBP, ZIP
from mirage.service.tasks.requests import PictureRequest

BODY = (
    "The body is a picture (PNG, JPEG or WebP; its first bytes decide), a form with the file"
    " `picture` and these parameters as fields, or a ZIP of pictures, which is answered by a ZIP of"
    " PNGs. A ZIP is known by `Content-Type: application/zip`, or by its first bytes if the type"
    " says nothing. The same picture and parameters give the same bytes. The orientation that EXIF"
    " tells is applied and a colour profile kept; all other metadata is dropped."
)
LARGE = (
    "16 bits lose the lower 8; CMYK and"
    " animations are refused. Large PNGs, and ZIPs, are sent while they are made: if that fails,"
    " the connection is dropped. An entry of a ZIP that fails is left out, and `errors.json` at its"
    " end tells why."
)
UPSCALE = (
    f"{BODY} Alpha is enlarged by the same model. Grey stays grey, palettes become RGB, and {LARGE}"
)
TRANSLATE = (
    f"{BODY} The answer has the size of the picture. Transparent pictures are drawn over white."
    f" Grey and palettes become RGB, and {LARGE}"
)


def picture_extra(fields: type[PictureRequest]) -> dict[str, Any]:
    """Return the additions to an operation with these parameters."""
    properties = fields.model_json_schema()["properties"]
    picture = {**BINARY, "description": "a PNG, JPEG or WebP, or a ZIP of them"}
    form = {
        "type": "object",
        "required": ["picture"],
        "properties": {"picture": picture, **properties},
    }
    # Octets last: generated clients send files of any type as the last binary type.
    bodies = content((PNG, JPEG, WEBP, ZIP, OCTETS)) | content((FORM,), form)
    return {
        "parameters": [deadline("picture_deadline_s of GET /models/{name}", 60_000)],
        "requestBody": {"required": True, "content": bodies},
    }


def picture_responses(made: str, model: str, scale: str) -> Responses:
    """Return the answers by status. `made`: what was done; `model`, `scale`: examples."""
    answer = {
        "description": f"The {made} picture, or a ZIP of several",
        "content": content((*PICTURE_TYPES, ZIP)),
        "headers": {
            "X-Model": header(f"Name and version that {made} the picture", model),
            "X-Scale": header("How many times as large it is", scale),
            **COMMON_HEADERS,
        },
    }
    return {200: answer, **refusals(*OF_IMAGES)}
