"""The request and the answers as pydantic models: types, bounds and examples, no meaning yet."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MOST = 2**64 - 1  # of seeds and indices
LATENT_BOUND = 100.0  # largest absolute value of a latent


def _seed(value: object) -> object:
    """A decimal string is as good as an integer, for not every language has such integers."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) <= 40):
            raise PydanticCustomError("seed", "Input should be an integer or a decimal string")
        return int(value)
    return value


def _labels(value: object) -> object:
    many = isinstance(value, list)
    for label in value if isinstance(value, list) else [value]:
        if isinstance(label, bool) or not isinstance(label, int | str):
            where = "Each item" if many else "Input"
            raise PydanticCustomError(
                "label", where + " should be a class index (integer) or a class name (string)"
            )
    return value


ONE_LABEL = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
Seed = Annotated[
    int,
    BeforeValidator(_seed),
    Field(ge=0, le=MOST),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST},
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
# Fail fast: thousands of bad numbers are one mistake, and would be as many error messages.
Row = Annotated[list[Latent], Field(min_length=1, fail_fast=True)]
Latents = Annotated[list[Row], Field(min_length=1, fail_fast=True)]


class GenerateRequest(BaseModel):
    """Which images to make. A field that is null counts as absent."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [{"seed": 7, "labels": 3}, {"count": 9, "layout": "grid"}]},
    )

    latents: Latents | None = Field(
        None,
        description="float32 [n, latent_dim]; excludes count, seed and truncation",
        examples=[[[0.5, -1.25]]],
    )
    count: int | None = Field(
        None, ge=1, description="how many random images; default 1", examples=[4]
    )
    seed: Seed | None = Field(
        None,
        description="determines the images; drawn and returned when absent",
        examples=[7, "18446744073709551615"],
    )
    index: int | None = Field(
        None, ge=0, le=MOST, description="index of the first image; default 0", examples=[0]
    )
    labels: Labels | None = Field(
        None,
        description="class index or class name: one for all images, or one for each",
        examples=[3, "3", [0, 1, 2]],
    )
    truncation: float | None = Field(
        None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="factor of the latents: less variety, more typical images; default 1",
        examples=[0.7],
    )
    model: str | None = Field(
        None, min_length=1, description="default: the service's default model", examples=["mnist"]
    )
    version: int | None = Field(
        None, ge=1, description="default: the model's released version", examples=[1]
    )
    layout: Literal["separate", "grid"] | None = Field(
        None, description="grid: one contact sheet; default separate", examples=["grid"]
    )


class GeneratedImage(BaseModel):
    """One image of a JSON answer; `index` and `seed` make it again."""

    seed: str | None = Field(description="decimal; null for posted latents", examples=["7"])
    index: int = Field(examples=[0])
    label: int | None = Field(description="class index", examples=[3])
    class_: str | None = Field(alias="class", description="class name", examples=["3"])
    png: str = Field(description="base64")


class GeneratedImages(BaseModel):
    """A JSON answer."""

    model: str = Field(examples=["mnist"])
    version: int = Field(examples=[1])
    images: list[GeneratedImage]


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:mirage:invalid-value"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = Field(
        None, description="the bad fields", examples=[[{"loc": ["count"], "msg": "count is 0; …"}]]
    )


class Status(BaseModel):
    """An answer to a health check."""

    status: str = Field(examples=["ready"])
