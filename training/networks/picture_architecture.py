"""The architectures of networks that take pictures."""

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
    def multiple(self) -> int:
        """Sides of pictures and starts of tiles are multiples of it, in pixels."""
        return 1

    @property
    def judged(self) -> int:
        """Channels of the discriminator's input: an enlarged picture, and what was given."""
        return 2 * self.channels

    @property
    def num_classes(self) -> int:
        """Pictures have no classes."""
        return 0

    def as_trained(self) -> "PictureArchitecture":
        """The architecture itself: training and serving use the same."""
        return self


class TranslatorArchitecture(BaseModel):
    """All parameters that determine the shapes of the weights; stored with the weights as JSON.

    widths: channels of the generator at the full size, at a half and at a quarter of it. blocks:
    residual blocks at a quarter. embedding: length of the vectors of the contrastive loss; 0: there
    are none. cyclic: networks of the opposite direction, too. paired: the discriminator sees the
    source beside each picture. Pictures may have any height and width that are multiples of 4.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["resampled"]
    widths: tuple[int, int, int]
    blocks: int = Field(ge=1, le=64)
    discriminator_widths: tuple[int, ...] = Field(min_length=1, max_length=4)
    channels: Literal[1, 3] = 3
    embedding: int = Field(0, ge=0, le=1024)
    cyclic: bool = False
    paired: bool = False

    @property
    def scale(self) -> int:
        """Results are as large as pictures."""
        return 1

    @property
    def multiple(self) -> int:
        """Sides of pictures and starts of tiles are multiples of it, in pixels."""
        return 4

    @property
    def judged(self) -> int:
        """Channels of the discriminator's input."""
        return self.channels * (2 if self.paired else 1)

    @property
    def num_classes(self) -> int:
        """Pictures have no classes."""
        return 0

    def as_trained(self) -> "TranslatorArchitecture":
        """The architecture itself: training and serving use the same."""
        return self
