"""Options for reading pictures as training images."""

from typing import Any, Literal, TypeVar

from PIL import ImageColor
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mirage.training.errors import UsageError
from mirage.training.media.tokens import NO_PADDING

AUTO = "auto"
NONE = "none"


class DataOptions(BaseModel):
    """How pictures are resized and converted, where classes come from, and how many may be broken.

    A run records its options, so that it is evaluated on data that were read in the same way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int] | None = Field(None, description="(width, height); None: unchanged")
    crop: Literal["center", "none", "pad"] = Field(
        "center", description="crop to the aspect ratio of `size`, stretch, or pad"
    )
    upscale: bool = Field(False, description="enlarge smaller pictures instead of leaving them out")
    channels: Literal[1, 3, 4] | None = Field(None, description="None: as in the pictures")
    alpha: Literal["keep", "composite"] = "keep"
    background: str = Field("#ffffff", description="colour behind transparency and of padding")
    sample_rate: int | None = Field(
        None, ge=1, le=384_000, description="of sounds in Hz; None: their lowest"
    )
    length: int | None = Field(
        None, ge=1, description="of sounds in samples, of sequences in symbols; None: the longest"
    )
    alphabet: str | None = Field(
        None, description="symbols of sequences, without padding; None: all that occur"
    )
    padding: str | None = Field(
        None, description="what ends shorter sequences; `none`, or None: chosen if it is needed"
    )
    labels: str = Field(AUTO, description="a labels file, a column's name, `none`, or `auto`")
    mirror: bool = Field(False, description="add the mirror image of every image")
    split: str = Field(AUTO, description="folders TRAIN[,TEST], `none`, or `auto`")
    max_broken: float | None = Field(
        None, ge=0, lt=1, description="largest share of broken pictures; None: 0.01, or a few"
    )
    groups: str = Field(NONE, description="related images: `folder`, `emoji`, `none`, or a file")
    held_out: float = Field(0, ge=0, lt=100, description="per cent held out, in whole groups")

    @field_validator("size")
    @classmethod
    def _sides(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size and any(side < 4 or side % 4 or side > 16_384 for side in size):
            raise ValueError("sides must be multiples of 4, from 4 to 16384")
        return size

    @field_validator("alphabet")
    @classmethod
    def _symbols(cls, alphabet: str | None) -> str | None:
        if alphabet is not None and (
            len(set(alphabet)) != len(alphabet) or not alphabet or not alphabet.isprintable()
        ):
            raise ValueError("expected different printable characters")
        return alphabet

    @field_validator("padding")
    @classmethod
    def _symbol(cls, padding: str | None) -> str | None:
        if padding not in (None, NO_PADDING) and (len(padding) != 1 or not padding.isprintable()):
            raise ValueError(f"expected one printable character, or {NO_PADDING}")
        return padding

    @field_validator("split")
    @classmethod
    def _folders(cls, split: str) -> str:
        folders = split.split(",")
        if len(folders) > 2 or not all(folders):
            raise ValueError("expected TRAIN, or TRAIN,TEST, or none")
        return split

    @field_validator("background")
    @classmethod
    def _colour(cls, text: str) -> str:
        red, green, blue, *alpha = ImageColor.getrgb(text)
        if alpha and alpha != [255]:
            raise ValueError("a background must be opaque")
        return f"#{red:02x}{green:02x}{blue:02x}"

    @model_validator(mode="after")
    def _alpha_has_a_channel(self) -> "DataOptions":
        if self.channels == 4 and self.alpha == "composite":
            raise ValueError("4 channels include alpha, which `composite` removes")
        return self

    @property
    def keeps_alpha(self) -> bool:
        """Whether transparent pictures keep their alpha channel."""
        return self.alpha == "keep" and self.channels in (None, 4)

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as (red, green, blue), each 0 to 255."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue


OPTIONS_OF = {
    "images": {"size", "crop", "upscale", "channels", "alpha", "background", "mirror"},
    "sounds": {"sample_rate", "length"},
    "sequences": {"alphabet", "padding", "length"},
}
"""Options that only some data have; the others are of all."""


def check_options(options: DataOptions, noun: str) -> None:
    """Raise UsageError for an option that data of this kind, a key of `OPTIONS_OF`, cannot have."""
    for other, names in OPTIONS_OF.items():
        for name in sorted(names - OPTIONS_OF[noun]):
            value = getattr(options, name)
            if value != DataOptions.model_fields[name].default:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} is {value}; it is for {other}, and --data has {noun}")


Options = TypeVar("Options", bound=BaseModel)


def build_options(values: dict[str, Any]) -> DataOptions:
    """Build DataOptions; raises UsageError naming the flag and its value."""
    return options_of(DataOptions, values)


def options_of(model: type[Options], values: dict[str, Any]) -> Options:
    """Validate values as a pydantic model; raises UsageError naming the flag and its value."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        reasons = (_explain(item) for item in error.errors())
        raise UsageError("; ".join(reasons)) from error


def _explain(item: Any) -> str:
    reason = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return reason
    return f"--{str(item['loc'][0]).replace('_', '-')} is {item['input']!r}: {reason}"
