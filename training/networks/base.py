"""Architecture and base classes of all families of generators and discriminators."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from torch import Tensor, nn

from mirage.training.errors import UsageError
from mirage.training.media.images import Images

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.media.medium import Medium
    from mirage.training.networks.sequence import SequenceArchitecture

LATER_FIELDS = {"normalize", "transparency", "skips", "palette", "bilateral"}
"""Fields added after the first files were written."""


class Architecture(BaseModel):
    """All parameters that determine the shapes of the weights; stored with the weights as JSON.

    widths: channels of the generator's stages from coarse to fine; each stage doubles the size, and
    the discriminator mirrors them. blocks: residual blocks per stage (families `strided`, default
    none, and `residual`, default two; `direct` has them in the discriminator only). mapping: layers
    between the latents and the coarsest stage (family `strided`). hidden: units of dense layers,
    and of the projection of conditional discriminators. latent_gain: factor of the latents; 1
    during training. normalize: `rms` divides the mapped latents of each sample by their root mean
    square (families `strided` and `residual`), or the latents themselves (`direct`, `projected`).
    transparency: how networks represent RGBA images (`media/pixels`). skips: number of stages
    before the finest that output an image of their own, to which the finer stages add (family
    `strided`); at most so many stages can be added during training. palette: number of colours per
    image, of which each pixel is a mixture (family `strided`, without skips); 0 for free colours.
    bilateral: how many times generated images are smoothed (`media/bilateral`); not in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["strided", "residual", "dcgan", "direct", "projected"]
    latent_dim: int = Field(ge=1, le=4096)
    widths: tuple[int, ...] = Field(min_length=1, max_length=10)
    blocks: tuple[int, ...] = ()
    hidden: int = Field(256, ge=1, le=8192)
    mapping: int = Field(1, ge=1, le=16)
    latent_gain: float = Field(1.0, gt=0, le=10)
    normalize: Literal["none", "rms"] = "none"
    transparency: Literal["straight", "on-white"] = "straight"
    skips: int = Field(0, ge=0, le=9)
    palette: int = Field(0, ge=0, le=256)
    bilateral: int = Field(0, ge=0, le=16)
    height: int = Field(ge=4, le=4096)
    width: int = Field(ge=4, le=4096)
    channels: Literal[1, 3, 4]
    num_classes: int = Field(ge=0, le=100_000)

    @classmethod
    def of(cls, config: "TrainConfig", medium: Images, num_classes: int) -> "Architecture":
        """The architecture for a configuration and data.

        Raises ValidationError, and UsageError for a latent gain without effect.
        """
        values: dict[str, Any] = {
            name: getattr(config, name) for name in cls.model_fields if hasattr(config, name)
        }
        sizes = medium.model_dump(include={"height", "width", "channels"})
        more = {"skips": len(config.grow_kimg), "num_classes": num_classes}
        made = cls.model_validate(values | sizes | more)
        if made.latent_gain != 1 and made.divides_gain_out:
            raise UsageError(
                f"latent_gain is {made.latent_gain:g}, which normalize rms divides out in family "
                f"{made.family}{'' if num_classes else ' without classes'}; set latent_gain to 1, "
                "or normalize to none"
            )
        return made

    @property
    def medium(self) -> Images:
        """What such networks make."""
        return Images(
            height=self.height,
            width=self.width,
            channels=self.channels,
            transparency=self.transparency,
            bilateral=self.bilateral,
        )

    @property
    def divides_gain_out(self) -> bool:
        """Whether images do not depend on the latent gain, nor on any other factor of the latents.

        What is normalised is then proportional to the latents.
        """
        linear = self.family in ("direct", "projected")
        linear = linear or (self.family == "residual" and not self.num_classes)
        return self.normalize == "rms" and linear

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the coarsest stage, in pixels."""
        scale = 2 ** (len(self.widths) - 1)
        return self.height // scale, self.width // scale

    def as_trained(self) -> "Architecture":
        """The architecture during training; only the averages have a latent gain."""
        return self.model_copy(update={"latent_gain": 1.0})

    def before_growth(self, stages: int) -> "Architecture":
        """The architecture of the networks before the last `stages` stages were added."""
        if not stages:
            return self
        values = self.model_dump() | {
            "widths": self.widths[:-stages],
            "blocks": self.blocks[:-stages],
            "height": self.height // 2**stages,
            "width": self.width // 2**stages,
            "skips": self.skips - stages,
        }
        return Architecture.model_validate(values)

    @model_validator(mode="after")
    def _check_sizes(self) -> "Architecture":
        scale = 2 ** (len(self.widths) - 1)
        if self.height % scale or self.width % scale:
            raise ValueError(
                f"images are {self.width}x{self.height}; with {len(self.widths)} stages both sides "
                f"must be divisible by {scale}"
            )
        if self.blocks and len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks has {len(self.blocks)} entries, widths {len(self.widths)}")
        if self.normalize != "none" and self.family == "dcgan":
            raise ValueError(f"normalize is {self.normalize}; family dcgan allows none")
        most = len(self.widths) - 1 if self.family == "strided" else 0
        if self.skips > most:
            raise ValueError(f"skips is {self.skips}; allowed is at most {most}")
        if self.palette and (self.family != "strided" or self.skips):
            raise ValueError(
                f"palette is {self.palette}; it requires family strided without growing, otherwise "
                "allowed is 0"
            )
        return self

    @model_serializer(mode="wrap", when_used="json")
    def _without_later_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit later fields at their default, so that files without them keep their bytes."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in write(self).items()
            if name not in LATER_FIELDS or value != fields[name].default
        }


TINY = 1e-8
"""Avoids division by zero (Karras et al. 2018)."""


class Generator(nn.Module):
    """Latents float32 [N, latent_dim] and labels int64 [N] or None -> values of a medium.

    Of images these are [N, C, H, W]. medium: converts them to what is served.
    """

    def __init__(self, a: "Architecture | SequenceArchitecture") -> None:
        super().__init__()
        self.latent_dim = a.latent_dim
        self.latent_gain = a.latent_gain
        self.normalize = a.normalize
        self.medium: Medium = a.medium

    def folded(self) -> "Generator":
        """The same network for inference, with batch norms folded; itself if it has none."""
        return self

    @abstractmethod
    def latent_weight(self) -> Tensor:
        """The part of the first layer's weight for latents: float32 [outputs, latent_dim]."""


def gained(latents: Tensor, gain: float) -> Tensor:
    """Scale latents; factors above 1 increase variety and reduce agreement with the class."""
    return latents if gain == 1 else latents * gain


def normalized(x: Tensor, how: str) -> Tensor:
    """Normalise float [N, D] to a root mean square of 1 per sample if `rms`; returns float32.

    Without normalisation a network of leaky ReLUs is nearly homogeneous: the norm of a sample's
    vector becomes the contrast of its image. StyleGAN normalises its latents the same way (Karras
    et al., "Progressive Growing of GANs", ICLR 2018, section 4.2: pixelwise feature normalisation).
    """
    if how == "none":
        return x
    x = x.float()  # squares of bfloat16 lose what is divided by
    return x / torch.sqrt(x.square().mean(dim=1, keepdim=True) + TINY)


class Discriminator(nn.Module):
    """Images float32 [N, C, H, W] in [-1, 1] and labels int64 [N] or None -> logits float32 [N].

    Family `projected` has several heads: [N, heads]. Split in parts, so that the same images can be
    scored with several labels, and penalties be taken with respect to the representation.
    """

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.logits(self.features(self.represent(images)), labels)

    def represent(self, images: Tensor) -> Tensor:
        """The input of `features`: the images, unless a fixed transform precedes the weights."""
        return images

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features of what `represent` returns, which do not depend on labels: [N, ...]."""

    @abstractmethod
    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits float32 [N] of `features` for labels int64 [N] or None."""
