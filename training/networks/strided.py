"""Normalisation-free networks of dense strided convolutions, for CPUs.

CPUs are slow at grouped convolutions and their double backward, so the width is spent on dense 4x4
convolutions that change the resolution; residual blocks are optional per stage. There is no
normalisation, because R1, R2 and relativistic pairing need independent samples (Huang et al., "The
GAN is dead; long live the GAN!", NeurIPS 2024).
"""

import math
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks import base
from mirage.training.networks.base import Architecture, gained, normalized

SLOPE = 0.2

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class Block(nn.Module):
    """x + conv(act(conv(act(x)))); the last convolution starts at 0, which is the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = scaled(nn.Conv2d(width, width, 3, padding=1))
        self.last = scaled(nn.Conv2d(width, width, 3, padding=1), gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(activate(self.first(activate(x))))


def scaled(layer: Layer, gain: float = 1.0) -> Layer:
    """Initialise a layer to preserve variance (He et al. 2015, for leaky ReLU)."""
    weight = layer.weight
    fan_in = weight.shape[1] * math.prod(weight.shape[2:])
    if isinstance(layer, nn.ConvTranspose2d):
        # an output sees kernel / stride**2 taps of each input
        fan_in = weight.shape[0] * math.prod(weight.shape[2:]) // math.prod(layer.stride)
    nn.init.normal_(weight, std=gain * math.sqrt(2 / (1 + SLOPE**2) / fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


class Generator(base.Generator):
    """Latents and labels -> hidden layer -> coarse map -> transposed convolutions -> image."""

    def __init__(self, a: Architecture) -> None:
        super().__init__(a)
        self.shape = (a.widths[0], *a.base)
        blocks = a.blocks or (0,) * len(a.widths)
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs = a.latent_dim * (2 if a.num_classes else 1)
        self.hidden = scaled(nn.Linear(inputs, a.hidden))
        self.mapping = nn.ModuleList(
            scaled(nn.Linear(a.hidden, a.hidden)) for _ in range(a.mapping - 1)
        )
        self.base = scaled(nn.Linear(a.hidden, math.prod(self.shape)))
        self.stages = nn.ModuleList(stage(w, n) for w, n in zip(a.widths, blocks, strict=True))
        self.ups = nn.ModuleList(
            scaled(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1))
            for coarse, fine in pairwise(a.widths)
        )
        self.to_image = scaled(nn.Conv2d(a.widths[-1], a.channels, 3, padding=1), gain=0.5)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = gained(latents, self.latent_gain)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        x = self.hidden(x)
        for layer in self.mapping:
            x = layer(activate(x))
        x = self.base(normalized(activate(x), self.normalize))
        x = self.stages[0](x.view(-1, *self.shape))
        for up, blocks in zip(self.ups, self.stages[1:], strict=True):
            x = blocks(up(activate(x)))
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 is coarser than a grey level
            return self.to_image(activate(x).float())

    def latent_weight(self) -> Tensor:
        return self.hidden.weight[:, : self.latent_dim]


class Discriminator(base.Discriminator):
    """Mirror image of the generator, with a class projection (Miyato & Koyama 2018)."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        widths, blocks = a.widths[::-1], (a.blocks or (0,) * len(a.widths))[::-1]
        self.from_image = scaled(nn.Conv2d(a.channels, widths[0], 3, padding=1))
        self.stages = nn.ModuleList(stage(w, n) for w, n in zip(widths, blocks, strict=True))
        self.downs = nn.ModuleList(
            scaled(nn.Conv2d(fine, coarse, 4, stride=2, padding=1))
            for fine, coarse in pairwise(widths)
        )
        self.hidden = scaled(nn.Linear(widths[-1] * math.prod(a.base), a.hidden))
        self.logit = nn.Linear(a.hidden, 1)
        self.embed = nn.Embedding(a.num_classes, a.hidden) if a.num_classes else None

    def features(self, images: Tensor) -> Tensor:
        x = self.stages[0](self.from_image(images))
        for down, blocks in zip(self.downs, self.stages[1:], strict=True):
            x = blocks(down(activate(x)))
        return activate(self.hidden(activate(x).flatten(1)))

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # margins of pairs are small
            features = features.float()
            logits = self.logit(features).squeeze(1)
            if self.embed is None:
                return logits
            projection = (features * self.embed(labels)).sum(1)
            return logits + projection / math.sqrt(features.shape[1])
