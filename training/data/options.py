"""How pictures become images for the networks: the choices that a person has."""

from typing import Any, Literal, TypeVar

from PIL import ImageColor
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mirage.training.errors import UsageError

AUTO = "auto"
NONE = "none"


class DataOptions(BaseModel):
    """What is done to every picture, where the classes come from, and how much may be broken.

    Recorded with a run, so that it is scored on data that were read in the same way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int] | None = Field(None, description="(width, height); None: as they are")
    crop: Literal["center", "none", "pad"] = Field(
        "center", description="cut to the shape of `size`, squeezed into it, or padded to it"
    )
    upscale: bool = Field(False, description="whether a smaller picture is enlarged or left out")
    channels: Literal[1, 3, 4] | None = Field(None, description="None: what the pictures have")
    alpha: Literal["keep", "composite"] = "keep"
    background: str = Field("#ffffff", description="what shows through, and what is padded with")
    labels: str = Field(AUTO, description="a labels file, a column's name, `none`, or `auto`")
    mirror: bool = Field(False, description="whether every image is also there mirrored")
    max_broken: float = Field(0.01, ge=0, lt=1, description="share of pictures left out")
    groups: str = Field(NONE, description="of kin: `folder`, `emoji`, `none`, or a file as labels")
    held_out: float = Field(0, ge=0, lt=100, description="per cent of the groups")

    @field_validator("size")
    @classmethod
    def _sides(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size and any(side < 4 or side % 4 or side > 16_384 for side in size):
            raise ValueError("sides are multiples of 4, from 4 to 16384")
        return size

    @field_validator("background")
    @classmethod
    def _colour(cls, text: str) -> str:
        red, green, blue, *alpha = ImageColor.getrgb(text)
        if alpha and alpha != [255]:
            raise ValueError("a background has no alpha")
        return f"#{red:02x}{green:02x}{blue:02x}"

    @model_validator(mode="after")
    def _alpha_has_a_channel(self) -> "DataOptions":
        if self.channels == 4 and self.alpha == "composite":
            raise ValueError("4 channels hold an alpha, which `composite` does away with")
        return self

    @property
    def keeps_alpha(self) -> bool:
        """Whether transparency reaches the networks, where there is any."""
        return self.alpha == "keep" and self.channels in (None, 4)

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as red, green, blue."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue


Options = TypeVar("Options", bound=BaseModel)


def build_options(values: dict[str, Any]) -> DataOptions:
    """The options with these values; raises UsageError naming the flag and its value."""
    return options_of(DataOptions, values)


def options_of(kind: type[Options], values: dict[str, Any]) -> Options:
    """Options of a kind with these values; raises UsageError naming the flag and its value."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        reasons = (_explain(item) for item in error.errors())
        raise UsageError("; ".join(reasons)) from error


def _explain(item: Any) -> str:
    reason = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return reason
    return f"--{str(item['loc'][0]).replace('_', '-')} is {item['input']!r}: {reason}"
