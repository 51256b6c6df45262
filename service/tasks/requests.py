"""The schemas of requests: fields, types and bounds that do not depend on a model."""

from itertools import islice
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from mirage.bundle.format.manifest import MAX_DIRECTIONS

MAX_UINT64 = 2**64 - 1  # largest seed and index
LATENT_BOUND = 100.0  # largest absolute value of a latent, far beyond a normal distribution
STEPS, DURATION_MS = 16, 80  # defaults of an interpolation
AMOUNT_BOUND = 10.0  # largest step along a direction, in standard deviations of a latent
MAX_ITERATIONS = 32  # of an inversion
MAX_MEMBERS = 32  # of an object that are validated: more than there are fields


def _seed(value: object) -> object:
    """Accept decimal strings, because not every language has 64-bit integers."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) <= 40):
            raise PydanticCustomError("seed", "Input should be an integer or a decimal string")
        if int(value) > MAX_UINT64:
            raise PydanticCustomError("seed", f"Input should be less than or equal to {MAX_UINT64}")
        return int(value)
    return value


def _label(value: object, subject: str = "Input") -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError(
            "label", subject + " should be a class index (integer) or a class name (string)"
        )
    return value


def _labels(value: object) -> object:
    if isinstance(value, list):
        return [_label(label, "Each item") for label in value]
    return _label(value)


def _limit_directions(value: object) -> object:
    """Check the number of directions first: pydantic checks it after all items."""
    if isinstance(value, dict) and len(value) > MAX_DIRECTIONS:
        raise PydanticCustomError(
            "too_many", "at most {most} are allowed", {"most": MAX_DIRECTIONS}
        )
    return value


ONE_LABEL = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
Seed = Annotated[
    int,
    Field(ge=0, le=MAX_UINT64),  # listed first: else the error message rounds the bounds
    BeforeValidator(_seed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_UINT64},
                {"type": "string", "pattern": "^[0-9]{1,20}$"},
            ]
        }
    ),
]
Labels = Annotated[
    int | str | list[int | str],
    BeforeValidator(_labels),
    WithJsonSchema(
        {"anyOf": [*ONE_LABEL["anyOf"], {"type": "array", "items": ONE_LABEL, "minItems": 1}]}
    ),
]
Latent = Annotated[float, Field(ge=-LATENT_BOUND, le=LATENT_BOUND, allow_inf_nan=False)]
# Fail fast: thousands of invalid numbers would be as many error messages.
Row = Annotated[list[Latent], Field(min_length=1, fail_fast=True)]
Latents = Annotated[list[Row], Field(min_length=1, fail_fast=True)]
Amount = Annotated[float, Field(ge=-AMOUNT_BOUND, le=AMOUNT_BOUND, allow_inf_nan=False)]
DirectionKey = Annotated[str, Field(min_length=1, max_length=63)]  # the model knows which exist
Directions = Annotated[
    dict[DirectionKey, Amount],
    Field(max_length=MAX_DIRECTIONS),
    BeforeValidator(_limit_directions),
]
ABOUT_DIRECTIONS = (
    "distances to move along the model's latent directions, by index or by name, in standard"
    " deviations of a latent, after truncation; in a query `0:1.5,smile:-2`; GET /models/{name}"
    " lists the directions"
)


UPSCALE = r"^[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"
ABOUT_UPSCALE = (
    "name or name@version of a model that enlarges the images; default: its released version."
    " Limits on pixels apply to the enlarged images"
)


class Fields(BaseModel):
    """Base class of request objects."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _first_members(cls, value: object) -> object:
        """Drop members over the limit. Enough unknown ones are left to reject the object."""
        if isinstance(value, dict) and len(value) > MAX_MEMBERS:
            return dict(islice(value.items(), MAX_MEMBERS))
        return value


class GenerateRequest(Fields):
    """The images to make. Null fields count as absent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"seed": 7, "labels": 3}, {"count": 9, "layout": "grid"}]},
    )

    latents: Latents | None = Field(
        None,
        description="float32 [n, latent_dim]; cannot be combined with count, seed and truncation",
        examples=[[[0.5, -1.25]]],
    )
    count: int | None = Field(
        None, ge=1, description="number of random images; default 1", examples=[4]
    )
    seed: Seed | None = Field(
        None,
        description="determines the images; default: drawn at random and returned",
        examples=[7, "18446744073709551615"],
    )
    index: int | None = Field(
        None, ge=0, le=MAX_UINT64, description="index of the first image; default 0", examples=[0]
    )
    labels: Labels | None = Field(
        None,
        description="class index or class name, for all images or for each",
        examples=[3, "3", [0, 1, 2]],
    )
    truncation: float | None = Field(
        None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="factor of the latents; lower: less variety, more typical images; default 1",
        examples=[0.7],
    )
    directions: Directions | None = Field(
        None, description=ABOUT_DIRECTIONS, examples=[{"0": 1.5, "3": -2}]
    )
    model: str | None = Field(
        None, min_length=1, description="default: the service's default model", examples=["mnist"]
    )
    version: int | None = Field(
        None, ge=1, le=MAX_UINT64, description="default: the model's released version", examples=[1]
    )
    layout: Literal["separate", "grid"] | None = Field(
        None,
        description="grid: all images in one contact sheet; default: separate",
        examples=["grid"],
    )
    upscale: str | None = Field(
        None, pattern=UPSCALE, description=ABOUT_UPSCALE, examples=["icon-x4"]
    )


class PictureRequest(BaseModel):
    """Which model converts a picture. The fields are text, in a query or a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        None,
        min_length=1,
        description="default: the service's default model if it is of this task, else the only"
        " released one that is",
        examples=["icon-x4"],
    )
    version: int | None = Field(
        None, ge=1, le=MAX_UINT64, description="default: the model's released version", examples=[1]
    )


class TranslateRequest(PictureRequest):
    """Which model draws a picture in another style."""


class UpscaleRequest(PictureRequest):
    """How to enlarge a picture."""

    scale: float | None = Field(
        None,
        ge=1,
        le=8,
        allow_inf_nan=False,
        description="factor; default: that of the model. For smaller factors, its images are"
        " resized",
        examples=[2],
    )


class InvertRequest(BaseModel):
    """How to invert a picture. The fields are text, in a query or a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        None, min_length=1, description="default: the service's default model", examples=["mnist"]
    )
    version: int | None = Field(
        None, ge=1, le=MAX_UINT64, description="default: the model's released version", examples=[3]
    )
    label: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="class index or class name; default: the class that fits best",
        examples=["3"],
    )
    iterations: int | None = Field(
        None,
        ge=1,
        le=MAX_ITERATIONS,
        description="each makes latent_dim + 8 images; default: 4 from an encoder, 12 without one",
        examples=[4],
    )


class Point(Fields):
    """A point of an interpolation: the latent of a seed and an index, or a latent itself."""

    seed: Seed | None = Field(None, description="cannot be combined with latents", examples=[7])
    index: int | None = Field(
        None, ge=0, le=MAX_UINT64, description="index of the seed's image; default 0", examples=[0]
    )
    latents: Row | None = Field(
        None,
        description="float32 [latent_dim]; cannot be combined with seed and index",
        examples=[[0.5, -1.25]],
    )
    label: Annotated[int | str, BeforeValidator(_label), WithJsonSchema(ONE_LABEL)] | None = Field(
        None, description="class index or class name", examples=[3, "3"]
    )
    directions: Directions | None = Field(
        None,
        description="as those of all frames, for this point alone; cannot be combined with"
        " truncation",
        examples=[{"1": 2}],
    )


class InterpolateRequest(Fields):
    """A path through latent space, as frames. Null fields count as absent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"points": [{"seed": 7}, {"seed": 8}], "steps": 8},
                {"points": [{"seed": 1}, {"seed": 2, "index": 5}], "loop": True, "truncation": 0.7},
            ]
        },
    )

    points: list[Point] = Field(
        min_length=2,
        fail_fast=True,
        description=(
            "at least two points of the path; all frames have the label of the first point, unless"
            " every point has a label: then each frame has the label of the nearest point"
        ),
        examples=[[{"seed": 7, "label": 3}, {"seed": 8, "index": 2}]],
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=MAX_UINT64,
        description=f"frames from one point (included) to the next (excluded); default {STEPS}",
        examples=[STEPS],
    )
    loop: bool | None = Field(
        None,
        description="return to the first point; the last frame is then the one before it; default"
        " false",
        examples=[True],
    )
    truncation: float | None = Field(
        None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="factor of the latents of every frame; requires points of seeds without"
        " directions; default 1",
        examples=[0.7],
    )
    directions: Directions | None = Field(
        None, description=ABOUT_DIRECTIONS, examples=[{"0": 1.5, "3": -2}]
    )
    duration_ms: int | None = Field(
        None,
        ge=20,
        le=10_000,
        description="milliseconds per frame of an animation, in a GIF rounded to tens;"
        f" default {DURATION_MS}",
        examples=[DURATION_MS],
    )
    model: str | None = Field(
        None, min_length=1, description="default: the service's default model", examples=["mnist"]
    )
    version: int | None = Field(
        None, ge=1, le=MAX_UINT64, description="default: the model's released version", examples=[1]
    )
    upscale: str | None = Field(
        None, pattern=UPSCALE, description=ABOUT_UPSCALE, examples=["icon-x4"]
    )
