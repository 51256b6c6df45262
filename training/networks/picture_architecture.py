"""What networks that take pictures are built from."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PictureArchitecture(BaseModel):
    """Everything that decides these networks' weights' shapes; stored beside the weights as JSON.

    width and blocks: channels and residual blocks of the network that is served.
    discriminator_widths: channels of the discriminator's strided stages. Pictures may be of any
    height and width.
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
        """The same: what is trained is what is served."""
        return self
