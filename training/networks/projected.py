"""A projected discriminator: heads on frozen features of natural images, and one on the pixels.

After Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021: feature maps of four resolutions
are mixed by fixed random convolutions, across channels and from coarse to fine, and each mixture
has its own head. Unlike in the paper, there is no batch norm, so that samples stay independent:
each map is divided by its root mean square, and the heads use spectral norm (Miyato et al. 2018).
Train with the hinge loss and gamma 0. The features are nearly blind to colours, hence the head on
pixels.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mirage.training.networks import base
from mirage.training.networks.base import TINY, Architecture
from mirage.training.networks.features import CHANNELS, Trunk, load_weights
from mirage.training.networks.layers import activate

INPUT = 64
"""Least number of pixels of the shorter side of the trunk's input."""
MIXED = (32, 48, 64, 96)
"""Channels of the mixtures, the finest first."""
WIDTH = 64
PIXELS = (24, 48, 96, 96)
PIXEL_WEIGHT = 3
"""Weight of the head on pixels; colours drift with weight 1."""
COARSE = 4
"""Pixels per side of a head's last map."""
SEED = 0
"""Of the random convolutions."""


class Mixing(nn.Module):
    """Four maps -> four mixtures; each depends on its own map and on all coarser maps."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED)

        def fixed(name: str, outputs: int, inputs: int, size: int) -> None:
            deviation = math.sqrt(1 / (inputs * size * size))
            weight = deviation * torch.randn(outputs, inputs, size, size, generator=generator)
            self.register_buffer(name, weight)

        for number, (inputs, outputs) in enumerate(zip(CHANNELS, MIXED, strict=True)):
            fixed(f"across{number}", outputs, inputs, 1)
        for number, (fine, coarse) in enumerate(pairwise(MIXED)):
            fixed(f"down{number}", fine, coarse, 3)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        across = [
            F.conv2d(_normalised(x), self.get_buffer(f"across{number}"))
            for number, x in enumerate(maps)
        ]
        mixed = [across[-1]]
        for number in reversed(range(len(across) - 1)):
            fine = across[number]
            size = (fine.shape[2], fine.shape[3])
            coarse = F.interpolate(mixed[0], size, mode="bilinear", align_corners=False)
            below = F.conv2d(coarse, self.get_buffer(f"down{number}"), padding=1)
            mixed.insert(0, _normalised(fine + below))
        return mixed


def _normalised(x: Tensor) -> Tensor:
    """Divide each sample by its root mean square."""
    x = x.float()
    return x / torch.sqrt(x.square().mean((1, 2, 3), keepdim=True) + TINY)


class Head(nn.Module):
    """A head: a map [N, C, H, W] -> features [N, 64].

    sides: longer and shorter side of the map. The longer one is halved down to `COARSE`, unless
    nothing would be left of the shorter one.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], sides: tuple[int, int]) -> None:
        super().__init__()
        layers = [nn.Conv2d(inputs, widths[0], 3, padding=1)]
        longer, shorter = sides
        wanted = max(0, math.ceil(math.log2(longer / COARSE)))
        halvings = min(wanted, shorter.bit_length() - 1)
        for number in range(halvings):
            before, after = (widths[min(n, len(widths) - 1)] for n in (number, number + 1))
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
        last = widths[min(halvings, len(widths) - 1)]
        layers.append(nn.Conv2d(last, WIDTH, 3, padding=1))
        self.layers = nn.ModuleList(spectral_norm(layer) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = activate(layer(x))
        return x.mean((2, 3))


class Discriminator(base.Discriminator):
    """Images and labels -> logits of all heads, float32 [N, 7]; class-conditional by projection.

    The state does not contain the trunk's weights. Raises DataError if they are not installed.
    """

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.trunk = Trunk(load_weights())
        self.mixing = Mixing()
        self.scale = max(1.0, INPUT / min(a.height, a.width))
        longer, shorter = max(a.height, a.width), min(a.height, a.width)
        sides = [
            (math.ceil(self.scale * longer / 2**k), math.ceil(self.scale * shorter / 2**k))
            for k in range(2, 2 + len(MIXED))
        ]
        heads = [
            Head(channels, (WIDTH,), each) for channels, each in zip(MIXED, sides, strict=True)
        ]
        self.heads = nn.ModuleList(heads)
        self.pixels = Head(a.channels, PIXELS, (longer, shorter))
        count = len(MIXED) + 1
        self.logit = nn.ModuleList(spectral_norm(nn.Linear(WIDTH, 1)) for _ in range(count))
        self.embed = nn.Embedding(a.num_classes, count * WIDTH) if a.num_classes else None

    def features(self, images: Tensor) -> Tensor:
        """Features of each head: float [N, 5, 64]."""
        mixed = self.mixing(self.trunk(self._enlarged(_colours(images))))
        seen = [head(x) for head, x in zip(self.heads, mixed, strict=True)]
        return torch.stack([*seen, self.pixels(images)], dim=1)

    def _enlarged(self, colours: Tensor) -> Tensor:
        if self.scale == 1:
            return colours
        return F.interpolate(colours, scale_factor=self.scale, mode="bilinear", align_corners=False)

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            columns = [layer(features[:, number]) for number, layer in enumerate(self.logit)]
            logits = torch.cat(columns, dim=1)
            if self.embed is not None:
                classes = self.embed(labels).view_as(features)
                logits = logits + (features * classes).sum(2) / math.sqrt(WIDTH)
            return torch.cat([logits, logits[:, -1:].expand(-1, PIXEL_WEIGHT - 1)], dim=1)


def _colours(images: Tensor) -> Tensor:
    """Images [N, C, H, W] -> three colour channels, without opacity."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]
