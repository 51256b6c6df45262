"""Normalisation-free one-dimensional networks for sounds and for sequences of symbols.

The generator of sounds follows WaveGAN (Donahue et al., "Adversarial Audio Synthesis", ICLR 2019).
Sequences are one-hot vectors, of which the generator makes probabilities (Killoran et al.,
"Generating and designing DNA with deep generative models", 2017; Gupta & Zou, "Feedback GAN for
DNA optimizes protein functions", 2019).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from mirage.training.media.reading import SequenceMedium
from mirage.training.networks import base
from mirage.training.networks.base import gained, normalized
from mirage.training.networks.layers import activate, random_bias, scaled
from mirage.training.networks.strided import projected_logits

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.media.medium import Medium


class SequenceArchitecture(BaseModel):
    """All parameters that determine the shapes of the weights; stored with the weights as JSON.

    widths: channels of the generator's stages from coarse to fine. strides: factors of length
    between them; the discriminator mirrors both. Lengths that the strides do not divide are
    rounded up inside the networks. span: length of the kernels that change the length, in strides.
    edge: length of the kernels at the generator's output and the discriminator's input. blocks:
    residual blocks per stage. phase_shuffle: places by which the discriminator shifts each of its
    stages at random, up to so many to either side (WaveGAN, section 3.3). straight_through: whether
    the discriminator sees one-hot vectors of the generator's most probable symbols, with the
    gradient of the probabilities (Bengio et al. 2013). Others: as of `Architecture`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["sequence"]
    medium: SequenceMedium
    latent_dim: int = Field(ge=1, le=4096)
    widths: tuple[int, ...] = Field(min_length=1, max_length=10)
    strides: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    span: int = Field(2, ge=1, le=16)
    edge: int = Field(3, ge=1, le=65)
    hidden: int = Field(256, ge=1, le=8192)
    mapping: int = Field(1, ge=1, le=16)
    latent_gain: float = Field(1.0, gt=0, le=10)
    normalize: Literal["none", "rms"] = "none"
    phase_shuffle: int = Field(0, ge=0, le=64)
    straight_through: bool = False
    num_classes: int = Field(ge=0, le=100_000)

    @classmethod
    def of(
        cls, config: "TrainConfig", medium: "Medium", num_classes: int
    ) -> "SequenceArchitecture":
        """The architecture for a configuration and data; raises ValidationError."""
        values: dict[str, Any] = {
            name: getattr(config, name) for name in cls.model_fields if hasattr(config, name)
        }
        count = len(config.widths)
        values["strides"] = config.strides or (2,) * (count - 1)
        values["blocks"] = config.blocks or (0,) * count
        return cls.model_validate(values | {"medium": medium, "num_classes": num_classes})

    @property
    def base(self) -> int:
        """Length of the coarsest stage."""
        return -(-self.medium.length // math.prod(self.strides))

    def as_trained(self) -> "SequenceArchitecture":
        """The architecture during training; only the averages have a latent gain."""
        return self.model_copy(update={"latent_gain": 1.0})

    @model_validator(mode="after")
    def _check_sizes(self) -> "SequenceArchitecture":
        stages = len(self.widths)
        if len(self.strides) != stages - 1:
            raise ValueError(f"strides has {len(self.strides)} entries; widths need {stages - 1}")
        if any(not 1 <= stride <= 16 for stride in self.strides):
            raise ValueError(f"strides is {list(self.strides)}; allowed are 1 to 16")
        if self.family == "sequence" and 1 in self.strides and self.span % 2 == 0:
            raise ValueError(
                f"strides is {list(self.strides)} and span {self.span}; a stride of 1 needs an odd "
                "span"
            )
        if len(self.blocks) != stages:
            raise ValueError(f"blocks has {len(self.blocks)} entries, widths {stages}")
        if self.edge % 2 == 0:
            raise ValueError(f"edge is {self.edge}; allowed are odd numbers")
        if self.phase_shuffle >= self.base:
            raise ValueError(
                f"phase_shuffle is {self.phase_shuffle}; the coarsest stage has {self.base} places"
            )
        return self


class Block(nn.Module):
    """x + conv(act(conv(act(x)))); the last convolution starts at 0, which is the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = scaled(nn.Conv1d(width, width, 3, padding=1))
        self.last = scaled(nn.Conv1d(width, width, 3, padding=1), gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(activate(self.first(activate(x))))


def stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


def longer(coarse: int, fine: int, stride: int, span: int) -> nn.ConvTranspose1d:
    """A convolution that multiplies the length by `stride`."""
    spare = (span - 1) * stride
    padding = -(-spare // 2)
    return scaled(
        nn.ConvTranspose1d(
            coarse,
            fine,
            span * stride,
            stride,
            padding=padding,
            output_padding=2 * padding - spare,
        )
    )


def shorter(fine: int, coarse: int, stride: int, span: int) -> nn.Conv1d:
    """A convolution that divides the length by `stride`."""
    padding = -(-(span - 1) * stride // 2)
    return scaled(nn.Conv1d(fine, coarse, span * stride, stride, padding=padding))


class Trunk(base.Generator):
    """Latents and labels -> hidden layers -> coarse stage -> stages of more and more places.

    ups: what makes the places of each further stage.
    """

    def __init__(self, a: SequenceArchitecture, ups: Sequence[nn.Module]) -> None:
        super().__init__(a)
        self.shape = a.widths[0], a.base
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs = a.latent_dim * (2 if a.num_classes else 1)
        self.hidden = scaled(nn.Linear(inputs, a.hidden))
        if a.normalize == "rms" and self.embed is None:  # embeddings have the same effect
            random_bias(self.hidden)
        self.mapping = nn.ModuleList(
            scaled(nn.Linear(a.hidden, a.hidden)) for _ in range(a.mapping - 1)
        )
        self.base = scaled(nn.Linear(a.hidden, math.prod(self.shape)))
        self.stages = nn.ModuleList(stage(w, n) for w, n in zip(a.widths, a.blocks, strict=True))
        self.ups = nn.ModuleList(ups)

    def finest(self, latents: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The mapped latents [N, hidden] and the last stage [N, C, places]."""
        x = gained(latents, self.latent_gain)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        x = self.hidden(x)
        for layer in self.mapping:
            x = layer(activate(x))
        style = normalized(activate(x), self.normalize)
        x = self.stages[0](self.base(style).view(-1, *self.shape))
        for up, blocks in zip(self.ups, self.stages[1:], strict=True):
            x = blocks(up(activate(x)))
        return style, x

    def latent_weight(self) -> Tensor:
        return self.hidden.weight[:, : self.latent_dim]


class Generator(Trunk):
    """Latents and labels -> samples of a sound, or probabilities of symbols: [N, C, L]."""

    def __init__(self, a: SequenceArchitecture) -> None:
        pairs = zip(pairwise(a.widths), a.strides, strict=True)
        super().__init__(a, [longer(*widths, stride, a.span) for widths, stride in pairs])
        self.length, self.outputs = a.medium.length, a.medium.outputs
        self.straight_through = a.straight_through
        self.last = scaled(
            nn.Conv1d(a.widths[-1], a.medium.channels, a.edge, padding=a.edge // 2), gain=0.5
        )

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        _, x = self.finest(latents, labels)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, sounds have 16
            x = self.last(activate(x).float())
            if x.shape[2] > self.length:
                x = x[:, :, : self.length]
            values = self.outputs(x)
        return one_hot(values) if self.training and self.straight_through else values


def one_hot(shares: Tensor) -> Tensor:
    """One-hot vectors of the largest of float [N, K, L], with the gradient of `shares`."""
    chosen = F.one_hot(shares.argmax(1), shares.shape[1]).movedim(2, 1)
    return chosen + shares - shares.detach()


class Discriminator(base.Discriminator):
    """Mirror image of the generator, with a class projection (Miyato & Koyama 2018)."""

    def __init__(self, a: SequenceArchitecture) -> None:
        super().__init__()
        widths, blocks, strides = a.widths[::-1], a.blocks[::-1], a.strides[::-1]
        self.missing = a.base * math.prod(strides) - a.medium.length
        self.phase_shuffle = a.phase_shuffle
        self.first = scaled(nn.Conv1d(a.medium.channels, widths[0], a.edge, padding=a.edge // 2))
        self.stages = nn.ModuleList(stage(w, n) for w, n in zip(widths, blocks, strict=True))
        self.downs = nn.ModuleList(
            shorter(fine, coarse, stride, a.span)
            for (fine, coarse), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.hidden = scaled(nn.Linear(widths[-1] * a.base, a.hidden))
        self.logit = nn.Linear(a.hidden, 1)
        self.embed = nn.Embedding(a.num_classes, a.hidden) if a.num_classes else None

    def features(self, values: Tensor) -> Tensor:
        x = F.pad(values, (0, self.missing)) if self.missing else values
        x = self.stages[0](self.first(x))
        for down, blocks in zip(self.downs, self.stages[1:], strict=True):
            x = blocks(self._shuffled(down(activate(x))))
        return activate(self.hidden(activate(x).flatten(1)))

    def _shuffled(self, x: Tensor) -> Tensor:
        return shuffled(x, self.phase_shuffle) if self.phase_shuffle else x

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        return projected_logits(features, labels, self.logit, self.embed)


def shuffled(x: Tensor, most: int) -> Tensor:
    """Shift each of [N, C, L] by -most … most places at random; what is missing is reflected."""
    places = torch.arange(x.shape[2], device=x.device)
    shifts = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    end = x.shape[2] - 1
    index = end - (end - (places + shifts).abs()).abs()
    return x.gather(2, index.unsqueeze(1).expand_as(x))
