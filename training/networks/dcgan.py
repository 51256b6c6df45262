"""A conditional DCGAN as in tutorials: batch norm, 5x5 kernels, dropout.

After Radford et al. 2015 in the form that tutorials made popular for MNIST: a dense layer to
7x7x256, transposed 5x5 convolutions, a convolutional discriminator with dropout 0.3.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks import base
from mirage.training.networks.base import Architecture, gained

SLOPE = 0.3
DROPOUT = 0.3
DEVIATION = 0.02
"""Initial standard deviation of all weights (Radford et al. 2015, section 4)."""
CLASSES = 0.05
"""Largest initial value of class embeddings. With PyTorch's default, a standard normal one,
the generator soon makes one image per class regardless of the latents."""


class Generator(base.Generator):
    """Dense layer, then transposed convolutions: the first keeps the size, later ones double it."""

    def __init__(self, a: Architecture) -> None:
        super().__init__(a)
        self.shape = (a.widths[0], *a.base)
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs = a.latent_dim * (2 if a.num_classes else 1)
        self.dense = nn.Linear(inputs, math.prod(self.shape), bias=False)
        self.norm = nn.BatchNorm1d(math.prod(self.shape))
        widths = (*a.widths, a.channels)
        strides = (1,) + (2,) * (len(a.widths) - 1)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 5, stride=s, padding=2, output_padding=s - 1, bias=False)
            for i, o, s in zip(widths, widths[1:], strides, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in a.widths[1:])
        _initialise(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = gained(latents, self.latent_gain)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        x = F.leaky_relu(self.norm(self.dense(x)), SLOPE).view(-1, *self.shape)
        for up, norm in zip(self.ups, self.norms, strict=False):
            x = F.leaky_relu(norm(up(x)), SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            return torch.tanh(self.ups[-1](x.float()))

    def latent_weight(self) -> Tensor:
        return self.dense.weight[:, : self.latent_dim]


class Discriminator(base.Discriminator):
    """Strided 5x5 convolutions with dropout; the class is an additional image channel."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.size = (a.height, a.width)
        self.embed = nn.Embedding(a.num_classes, a.height * a.width) if a.num_classes else None
        inputs = a.channels + (1 if a.num_classes else 0)
        widths = (inputs, *a.widths[:0:-1])
        self.downs = nn.ModuleList(
            nn.Conv2d(i, o, 5, stride=2, padding=2) for i, o in pairwise(widths)
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.logit = nn.Linear(widths[-1] * math.prod(a.base), 1)
        _initialise(self)

    def features(self, images: Tensor) -> Tensor:
        return images  # the label enters as a plane beside them, so nothing can be shared

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        x = features
        if self.embed is not None:
            plane = self.embed(labels).view(-1, 1, *self.size)
            x = torch.cat([x, plane], dim=1)
        for down in self.downs:
            x = self.dropout(F.leaky_relu(down(x), SLOPE))
        with torch.autocast(x.device.type, enabled=False):
            return self.logit(x.flatten(1).float()).squeeze(1)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0, DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -CLASSES, CLASSES)
