"""Normalisation-free networks of dense strided convolutions, for CPUs.

CPUs are slow at grouped convolutions and their double backward, so the width is spent on dense 4x4
convolutions that change the resolution; residual blocks are optional per stage. There is no
normalisation, because R1, R2 and relativistic pairing need independent samples (Huang et al., "The
GAN is dead; long live the GAN!", NeurIPS 2024).
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks import base
from mirage.training.networks.base import Architecture, gained, normalized
from mirage.training.networks.layers import Block, activate, random_bias, scaled


def stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


def mixed(logits: Tensor, colours: Tensor) -> Tensor:
    """Images float32 [N, C, H, W] whose pixels mix the colours of their image.

    logits: float32 [N, K, H, W]; the softmax over K gives the shares of the colours in each pixel.
    colours: float32 [N, C * K]. Areas of one colour come out flat, because the softmax saturates.
    """
    shares = logits.softmax(dim=1)
    count, size = shares.shape[1], shares.shape[2:]
    images = colours.unflatten(1, (-1, count)) @ shares.flatten(2)
    return images.unflatten(2, size)


class Generator(base.Generator):
    """Latents and labels -> hidden layer -> coarse map -> transposed convolutions -> image."""

    def __init__(self, a: Architecture) -> None:
        super().__init__(a)
        self.shape = (a.widths[0], *a.base)
        blocks = a.blocks or (0,) * len(a.widths)
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs = a.latent_dim * (2 if a.num_classes else 1)
        self.hidden = scaled(nn.Linear(inputs, a.hidden))
        if a.normalize == "rms" and self.embed is None:  # embeddings have the same effect
            random_bias(self.hidden)
        self.mapping = nn.ModuleList(
            scaled(nn.Linear(a.hidden, a.hidden)) for _ in range(a.mapping - 1)
        )
        self.base = scaled(nn.Linear(a.hidden, math.prod(self.shape)))
        self.stages = nn.ModuleList(stage(w, n) for w, n in zip(a.widths, blocks, strict=True))
        self.ups = nn.ModuleList(
            scaled(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1))
            for coarse, fine in pairwise(a.widths)
        )
        if a.palette:
            layers = [scaled(nn.Conv2d(a.widths[-1], a.palette, 3, padding=1))]
        else:  # the coarsest image begins as any other does, and what refines it at 0
            layers = [
                scaled(nn.Conv2d(width, a.channels, 3, padding=1), gain=0.0 if finer else 0.5)
                for finer, width in enumerate(a.widths[-1 - a.skips :])
            ]
        colours = a.palette * a.channels
        self.colours = scaled(nn.Linear(a.hidden, colours), gain=0.7) if colours else None
        self.small = nn.ModuleList(layers[:-1])
        self.to_image = layers[-1]

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = gained(latents, self.latent_gain)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        x = self.hidden(x)
        for layer in self.mapping:
            x = layer(activate(x))
        style = normalized(activate(x), self.normalize)
        maps = [self.stages[0](self.base(style).view(-1, *self.shape))]
        for up, blocks in zip(self.ups, self.stages[1:], strict=True):
            maps.append(blocks(up(activate(maps[-1]))))
        return self._image(maps[-1 - len(self.small) :], style)

    def _image(self, maps: list[Tensor], style: Tensor) -> Tensor:
        """The mixture of the colours of `style`, or the sum of the last stages' images."""
        layers = [*self.small, self.to_image]
        with torch.autocast(maps[0].device.type, enabled=False):  # bfloat16 has not 256 grey levels
            image, *details = (
                layer(activate(x).float()) for layer, x in zip(layers, maps, strict=True)
            )
            if self.colours is not None:
                return mixed(image, self.colours(style.float()))
            for detail in details:
                image = detail + F.interpolate(
                    image, scale_factor=2, mode="bilinear", align_corners=False
                )
        return image

    def name_when_grown(self, name: str) -> str:
        """What a weight is called once a finer stage has been added."""
        return name.replace("to_image.", f"small.{len(self.small)}.")

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
            scaled(
                nn.Conv2d(fine, coarse, 4, stride=2, padding=1), gain=0.0 if n < a.skips else 1.0
            )
            for n, (fine, coarse) in enumerate(pairwise(widths))
        )
        self.small = nn.ModuleList(
            scaled(nn.Conv2d(a.channels, width, 3, padding=1)) for width in widths[1 : 1 + a.skips]
        )
        self.hidden = scaled(nn.Linear(widths[-1] * math.prod(a.base), a.hidden))
        self.logit = nn.Linear(a.hidden, 1)
        self.embed = nn.Embedding(a.num_classes, a.hidden) if a.num_classes else None

    def features(self, images: Tensor) -> Tensor:
        x = self.stages[0](self.from_image(images))
        for number, (down, blocks) in enumerate(zip(self.downs, self.stages[1:], strict=True)):
            x = down(activate(x))
            if number < len(self.small):
                images = F.avg_pool2d(images, 2)
                x = x + self.small[number](images)
            x = blocks(x)
        return activate(self.hidden(activate(x).flatten(1)))

    def name_when_grown(self, name: str) -> str:
        """What a weight is called once a finer stage has been added, before all others."""
        part, _, rest = name.partition(".")
        if part == "from_image":
            return f"small.0.{rest}"
        if part not in ("stages", "downs", "small"):
            return name
        number, _, rest = rest.partition(".")
        return f"{part}.{int(number) + 1}.{rest}"

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        return projected_logits(features, labels, self.logit, self.embed)


def projected_logits(
    features: Tensor, labels: Tensor | None, logit: nn.Linear, embed: nn.Embedding | None
) -> Tensor:
    """Logits float32 [N] of features [N, hidden], with the projection of labels if there are."""
    with torch.autocast(features.device.type, enabled=False):  # margins of pairs are small
        features = features.float()
        logits: Tensor = logit(features).squeeze(1)
        if embed is None:
            return logits
        projection = (features * embed(labels)).sum(1)
        return logits + projection / math.sqrt(features.shape[1])
