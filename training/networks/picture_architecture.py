"""The architecture of networks that take pictures."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PictureArchitecture(BaseModel):
    """All parameters that determine the shapes of the weights; stored with the weights as JSON.

    width, blocks: channels and residual blocks of the generator. discriminator_widths: channels of
    the discriminator's strided stages. Pictures may have any height and width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["compact"]
    scale: int = Field(ge=2, le=4)
    width: int = Field(ge=4, le=1024)
    blocks: int = Field(ge=1, le=64)
    discriminator_widths: tuple[int, ...] = Field(min_length=1, max_length=4)
    channels: Literal[1, 3] = 3

    @property
    def num_classes(self) -> int:
        """Pictures have no classes."""
        return 0

    def as_trained(self) -> "PictureArchitecture":
        """The architecture itself: training and serving use the same."""
        return self
