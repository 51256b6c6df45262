"""The answers as pydantic models, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, Field


class Generated(BaseModel):
    """An item of a JSON answer. Its seed and index reproduce it."""

    seed: str | None = Field(description="decimal; null for posted latents", examples=["7"])
    index: int = Field(description="of the latent that the seed makes", examples=[0])
    label: int | None = Field(description="class index; null without classes", examples=[3])
    class_: str | None = Field(
        alias="class", description="class name; null without classes", examples=["3"]
    )
    member: int | None = Field(
        None, description="only of ensembles: the version that made it", examples=[2]
    )


class GeneratedImage(Generated):
    """An image of a JSON answer."""

    png: str = Field(description="the image, base64", examples=["iVBORw0KGgo…"])


class GeneratedSound(Generated):
    """A sound of a JSON answer."""

    wav: str = Field(description="the sound, base64", examples=["UklGRiQAAABX…"])


class GeneratedSequence(Generated):
    """A sequence of a JSON answer."""

    sequence: str = Field(description="without padding", examples=["ATGGCTAAA"])


class GeneratedImages(BaseModel):
    """A JSON answer."""

    model: str = Field(description="that made the images", examples=["mnist"])
    version: int = Field(description="of the model", examples=[1])
    images: list[GeneratedImage]


class GeneratedSounds(BaseModel):
    """A JSON answer of a model whose output is audio."""

    model: str = Field(description="that made the sounds", examples=["spoken-digits"])
    version: int = Field(description="of the model", examples=[1])
    sounds: list[GeneratedSound]


class GeneratedSequences(BaseModel):
    """A JSON answer of a model whose output is tokens."""

    model: str = Field(description="that made the sequences", examples=["coding-dna"])
    version: int = Field(description="of the model", examples=[1])
    sequences: list[GeneratedSequence]


class Inverted(BaseModel):
    """A JSON answer of an inversion. `latents` and `label` make the image again."""

    model: str = Field(description="that makes the image", examples=["mnist"])
    version: int = Field(description="of the model", examples=[3])
    latents: list[list[float]] = Field(description="[1, latent_dim]", examples=[[[0.5, -1.25]]])
    label: int | None = Field(description="class index; null without classes", examples=[3])
    class_: str | None = Field(
        alias="class", description="class name; null without classes", examples=["3"]
    )
    error: float = Field(
        description="mean squared difference to the picture, with values in [-1, 1]; of RGBA over"
        " white, and of alpha",
        examples=[0.0215],
    )
    typical_error: float = Field(
        description="the median of the same for images that the model has made", examples=[0.012]
    )
    images: int = Field(description="made in the search", examples=[289])
    png: str = Field(description="the image, base64", examples=["iVBORw0KGgo…"])


class Problem(BaseModel):
    """Problem details of an error (RFC 9457)."""

    type: str = Field(description="of a closed list", examples=["urn:mirage:invalid-value"])
    title: str = Field(description="of the type", examples=["A value is not allowed"])
    status: int = Field(description="of the answer", examples=[422])
    detail: str = Field(
        description="what is wrong, for people",
        examples=["count is 0; input should be greater than or equal to 1"],
    )
    errors: list[dict[str, Any]] | None = Field(
        None, description="the bad fields", examples=[[{"loc": ["count"], "msg": "count is 0; …"}]]
    )


class Status(BaseModel):
    """An answer to a health check."""

    status: str = Field(description="alive or ready", examples=["ready"])
