"""Normalisation-free residual networks of grouped bottlenecks, for GPUs.

After Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024, section 3 and appendix D:
ReLU, no normalisation, the last convolution of a block initialised with 0 and the others scaled by
the number of blocks (Zhang et al., "Fixup Initialization", ICLR 2019). Resolution changes by
bilinear enlargement and by 2x2 average pooling.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks import base
from mirage.training.networks.base import Architecture, gained, normalized
from mirage.training.networks.layers import activate, scaled

GROUP = 16
"""Channels of one group of a 3x3 convolution."""
EXPANSION = 2
"""Width of the middle of a block relative to its input."""
BLOCKS = 2
"""Default number of residual blocks per resolution."""


class Block(nn.Module):
    """x + 1x1(act(grouped 3x3(act(1x1(x))))), initialised as the identity.

    depth: number of blocks of the whole network, which scales the first two convolutions.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        inner = EXPANSION * width
        gain = depth**-0.25
        groups = math.gcd(inner, max(1, inner // GROUP))
        self.widen = scaled(nn.Conv2d(width, inner, 1), gain)
        self.mix = scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain)
        self.narrow = scaled(nn.Conv2d(inner, width, 1, bias=False), gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mix(activate(self.widen(x)))
        return x + self.narrow(activate(y))


class Change(nn.Module):
    """A linear 1x1 convolution where the width changes."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = linear(before, after) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


def linear(before: int, after: int) -> nn.Conv2d:
    """A 1x1 convolution without activation, initialised to preserve variance."""
    layer = nn.Conv2d(before, after, 1, bias=False)
    nn.init.normal_(layer.weight, std=before**-0.5)
    return layer


def stages(a: Architecture) -> list[nn.Sequential]:
    """The blocks of each resolution, from coarse to fine."""
    counts = a.blocks or (BLOCKS,) * len(a.widths)
    depth = max(1, sum(counts))
    return [
        nn.Sequential(*(Block(width, depth) for _ in range(count)))
        for width, count in zip(a.widths, counts, strict=True)
    ]


class Generator(base.Generator):
    """Latents and labels weight the channels of a learned coarse map, then enlarge it."""

    def __init__(self, a: Architecture) -> None:
        super().__init__(a)
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs = a.latent_dim * (2 if a.num_classes else 1)
        self.basis = nn.Parameter(torch.randn(a.widths[0], *a.base))
        self.weigh = nn.Linear(inputs, a.widths[0], bias=False)
        nn.init.normal_(self.weigh.weight, std=inputs**-0.5)
        self.stages = nn.ModuleList(stages(a))
        self.ups = nn.ModuleList(Change(coarse, fine) for coarse, fine in pairwise(a.widths))
        self.to_image = linear(a.widths[-1], a.channels)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = gained(latents, self.latent_gain)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        weights = normalized(self.weigh(x), self.normalize)
        x = self.stages[0](self.basis * weights[:, :, None, None])
        for up, blocks in zip(self.ups, self.stages[1:], strict=True):
            x = F.interpolate(up(x), scale_factor=2, mode="bilinear", align_corners=False)
            x = blocks(x)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 is coarser than a grey level
            return self.to_image(x.float())

    def latent_weight(self) -> Tensor:
        return self.weigh.weight[:, : self.latent_dim]


class Discriminator(base.Discriminator):
    """Mirror image of the generator, with a class projection (Miyato & Koyama 2018)."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.from_image = linear(a.channels, a.widths[-1])
        self.stages = nn.ModuleList(stages(a)[::-1])
        self.downs = nn.ModuleList(
            Change(fine, coarse) for fine, coarse in pairwise(a.widths[::-1])
        )
        coarsest = a.widths[0]
        self.gather = nn.Conv2d(coarsest, coarsest, a.base, groups=coarsest, bias=False)
        nn.init.normal_(self.gather.weight, std=math.prod(a.base) ** -0.5)
        size = a.hidden if a.num_classes else 1
        self.head = nn.Linear(coarsest, size, bias=False)
        nn.init.normal_(self.head.weight, std=coarsest**-0.5)
        self.embed = nn.Embedding(a.num_classes, size) if a.num_classes else None

    def features(self, images: Tensor) -> Tensor:
        x = self.stages[0](self.from_image(images))
        for down, blocks in zip(self.downs, self.stages[1:], strict=True):
            x = blocks(down(F.avg_pool2d(x, 2)))
        return self.gather(x).flatten(1)

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # margins of pairs are small
            scores = self.head(features.float())
            if self.embed is None:
                return scores.squeeze(1)
            return (scores * self.embed(labels)).sum(1) / math.sqrt(scores.shape[1])
