"""The inputs and outputs of a model: named tensors with a dtype, a shape and a meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

FREE_AXIS = r"^([2-9]\*)?[A-Z]$"  # a name, or a multiple of another axis: `N`, `H`, `4*H`

DType = Literal["float32", "int64", "int16", "uint8"]
OutputMeaning = Literal["images", "audio", "tokens"]
"""What a model makes: pictures, sounds (one channel of samples), or sequences of symbols."""
Meaning = Literal["latents", "labels", "pictures", OutputMeaning]
"""`latents` and `labels` select what a generator makes; `pictures` are images sent by clients."""
Axis = Annotated[int, Field(ge=1, le=2**20)] | Annotated[str, Field(pattern=FREE_AXIS)]

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
MAX_PIXELS = 8192  # of a side


@dataclass(frozen=True)
class Form:
    """What the tensors of a meaning have in common: the dtype, and the axes of one item.

    longest: the largest size of each axis.
    """

    dtype: DType
    longest: tuple[int, ...]


FORMS: dict[Meaning, Form] = {
    "latents": Form("float32", (65536,)),
    "labels": Form("int64", ()),
    "pictures": Form("uint8", (MAX_PIXELS, MAX_PIXELS, max(CHANNELS))),
    "images": Form("uint8", (MAX_PIXELS, MAX_PIXELS, max(CHANNELS))),
    "audio": Form("int16", (2**20,)),
    "tokens": Form("uint8", (2**16,)),
}
ENCODER = "encoder.onnx"  # optional file: a graph that estimates the latents of a picture
BATCH = "N"  # the first axis of every tensor: the number of items


class Fields(BaseModel):
    """Base of all parts of a manifest: immutable, strict, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Image(Fields):
    """The shape of one image."""

    height: Annotated[int, Field(ge=1, le=8192, description="pixels", examples=[28])]
    width: Annotated[int, Field(ge=1, le=8192, description="pixels", examples=[28])]
    channels: Annotated[Literal[1, 3, 4], Field(description="grey, RGB, RGBA", examples=[1])]


class Tensor(Fields):
    """One input or output of a model.

    The first axis of `shape` is the free axis `N`, the batch size. Other free axes are letters, or
    multiples of letters such as `4*H`.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    dtype: DType
    shape: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=4)]
    meaning: Meaning

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        form = FORMS[self.meaning]
        if self.dtype != form.dtype:
            raise ValueError(f"dtype of {self.meaning} is {self.dtype}; {form.dtype} is allowed")
        if self.shape[0] != BATCH or len(self.shape) != 1 + len(form.longest):
            raise ValueError(
                f"shape of {self.meaning} is {list(self.shape)};"
                f" {BATCH} and {len(form.longest)} more axes are allowed"
            )
        return self

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        if len(self.shape) == 4:
            *sides, channels = self.sizes[1:]
            if channels not in CHANNELS:
                raise ValueError(f"channels of {self.name} are {channels}; 1, 3 or 4 are allowed")
            if any(side is not None and side > MAX_PIXELS for side in sides):
                shown = " and ".join(str(axis) for axis in self.shape[1:3])
                raise ValueError(
                    f"sides of {self.name} are {shown}; up to {MAX_PIXELS} are allowed"
                )
        return self

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if len(self.shape) == 2:
            (length,), (longest,) = self.sizes[1:], FORMS[self.meaning].longest
            if length is not None and length > longest:
                raise ValueError(
                    f"length of {self.name} is {length}; up to {longest} of {self.meaning}"
                    " are allowed"
                )
        return self

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(map(str, self.shape))}]"

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The size of each axis; None for free axes."""
        return tuple(axis if isinstance(axis, int) else None for axis in self.shape)

    def zeros(self, count: int, side: int | None = None) -> np.ndarray:
        """Zeros of shape `[count, …]`, with `side` for other free axes.

        Raises ValueError if there are such axes and no side.
        """
        sizes = [side if size is None else size for size in self.sizes[1:]]
        if None in sizes:
            raise ValueError(f"shape of {self.name} is {list(self.shape)}; it has free axes")
        return np.zeros((count, *(size or 0 for size in sizes)), self.dtype)


Tensors = Annotated[tuple[Tensor, ...], Field(min_length=1, max_length=4)]


def generator_tensors(
    latent_dim: int, num_classes: int, image: Image
) -> dict[str, tuple[Tensor, ...]]:
    """The `inputs` and `outputs` of a generator of images.

    It has the input `labels` if there are classes; so have those of audio and tokens.
    """
    sizes = (image.height, image.width, image.channels)
    return _tensors_from_latents(latent_dim, num_classes, "images", sizes)


def audio_tensors(latent_dim: int, num_classes: int, length: int) -> dict[str, tuple[Tensor, ...]]:
    """The `inputs` and `outputs` of a generator of sounds of `length` samples."""
    return _tensors_from_latents(latent_dim, num_classes, "audio", (length,))


def token_tensors(latent_dim: int, num_classes: int, length: int) -> dict[str, tuple[Tensor, ...]]:
    """The `inputs` and `outputs` of a generator of sequences of `length` tokens."""
    return _tensors_from_latents(latent_dim, num_classes, "tokens", (length,))


def _tensors_from_latents(
    latent_dim: int, num_classes: int, meaning: OutputMeaning, sizes: tuple[int, ...]
) -> dict[str, tuple[Tensor, ...]]:
    latents = Tensor(name="latents", dtype="float32", shape=(BATCH, latent_dim), meaning="latents")
    labels = Tensor(name="labels", dtype="int64", shape=(BATCH,), meaning="labels")
    output = Tensor(
        name=meaning, dtype=FORMS[meaning].dtype, shape=(BATCH, *sizes), meaning=meaning
    )
    return {"inputs": (latents, labels) if num_classes else (latents,), "outputs": (output,)}


def picture_tensors(channels: int, scale: int) -> dict[str, tuple[Tensor, ...]]:
    """The `inputs` and `outputs` of a model that enlarges pictures by `scale`."""
    sides = (f"{scale}*H", f"{scale}*W") if scale > 1 else ("H", "W")
    pictures = Tensor(
        name="pictures", dtype="uint8", shape=(BATCH, "H", "W", channels), meaning="pictures"
    )
    images = Tensor(name="images", dtype="uint8", shape=(BATCH, *sides, channels), meaning="images")
    return {"inputs": (pictures,), "outputs": (images,)}


def find(tensors: Sequence[Tensor], meaning: Meaning) -> Tensor | None:
    """The first tensor with a meaning, or None."""
    return next((tensor for tensor in tensors if tensor.meaning == meaning), None)


def check_generator(inputs: Sequence[Tensor], outputs: Sequence[Tensor], num_classes: int) -> None:
    """Raise ValueError unless these are the tensors of a generator."""
    _check_meanings("inputs", inputs, ["latents", "labels"] if num_classes else ["latents"])
    if len(outputs) != 1 or outputs[0].meaning not in get_args(OutputMeaning):
        allowed = ", ".join(get_args(OutputMeaning))
        found = ", ".join(tensor.meaning for tensor in outputs)
        raise ValueError(f"outputs are {found}; one of {allowed} is allowed")
    if len({tensor.name for tensor in (*inputs, *outputs)}) != len(inputs) + len(outputs):
        raise ValueError("names of tensors must differ from each other")
    for tensor in (*inputs, *outputs):
        if None in tensor.sizes[1:]:
            raise ValueError(f"shape of {tensor.name} is {list(tensor.shape)}; only N may be free")


def check_picture_model(inputs: Sequence[Tensor], outputs: Sequence[Tensor], scale: int) -> None:
    """Raise ValueError unless these are the tensors of a model from pictures to images."""
    _check_meanings("inputs", inputs, ["pictures"])
    _check_meanings("outputs", outputs, ["images"])
    channels = inputs[0].sizes[3]
    wanted = picture_tensors(channels or 0, scale)
    for found, expected in ((inputs, wanted["inputs"]), (outputs, wanted["outputs"])):
        if found != expected:
            raise ValueError(f"tensors are {describe(found)}; {describe(expected)} are allowed")


def describe(tensors: Sequence[Tensor]) -> str:
    """Format tensors for messages: `latents float32 [N, 64]; labels int64 [N]`."""
    return "; ".join(map(str, tensors))


def _check_meanings(kind: str, tensors: Sequence[Tensor], wanted: Sequence[Any]) -> None:
    found = [tensor.meaning for tensor in tensors]
    if sorted(found) != sorted(wanted):
        raise ValueError(f"{kind} are {', '.join(found)}; {', '.join(wanted)} are allowed")
