"""A DCGAN-like generator with batch norm and without a mapping network.

Transposed convolutions after Radford et al., "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks", 2015. The finest stage is upsampled bilinearly,
which is cheaper and avoids checkerboard patterns. Batch norm makes samples depend on each other
during training only: at inference it uses running averages, which the export folds into weights.
"""

import copy
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval

from mirage.training.networks import base
from mirage.training.networks.base import Architecture, gained, normalized
from mirage.training.networks.layers import activate, scaled


class Normed(nn.Module):
    """A layer without bias, followed by batch norm and the activation."""

    def __init__(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, width: int) -> None:
        super().__init__()
        flat = isinstance(layer, nn.Linear)
        self.layer = layer
        self.norm: nn.Module = nn.BatchNorm1d(width) if flat else nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.norm(self.layer(x)))

    def fold(self) -> None:
        """Fold the batch norm into the layer's weights."""
        layer, norm = self.layer, self.norm
        if isinstance(norm, nn.BatchNorm1d) and isinstance(layer, nn.Linear):
            self.layer = fuse_linear_bn_eval(layer, norm)
        elif isinstance(norm, nn.BatchNorm2d) and not isinstance(layer, nn.Linear):
            turned = isinstance(layer, nn.ConvTranspose2d)
            self.layer = fuse_conv_bn_eval(layer, norm, transpose=turned)
        self.norm = nn.Identity()


class Generator(base.Generator):
    """Latents and labels -> coarse map -> transposed convolutions -> bilinear stage -> image."""

    def __init__(self, a: Architecture) -> None:
        super().__init__(a)
        self.shape = (a.widths[0], *a.base)
        self.embed = nn.Embedding(a.num_classes, a.latent_dim) if a.num_classes else None
        inputs, outputs = a.latent_dim * (2 if a.num_classes else 1), math.prod(self.shape)
        self.dense = Normed(scaled(nn.Linear(inputs, outputs, bias=False)), outputs)
        pairs = list(pairwise(a.widths))
        self.ups = nn.ModuleList(Normed(_doubling(i, o), o) for i, o in pairs[:-1])
        self.mix = scaled(nn.Conv2d(*pairs[-1], 1, bias=False)) if pairs else None
        width = a.widths[-1]
        last = scaled(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.last = Normed(last, width) if pairs else None
        self.to_image = scaled(nn.Conv2d(width, a.channels, 3, padding=1), gain=0.5)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = normalized(gained(latents, self.latent_gain), self.normalize)
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels)], dim=1)
        x = self.dense(x).view(-1, *self.shape)
        for up in self.ups:
            x = up(x)
        if self.mix is not None and self.last is not None:
            x = F.interpolate(self.mix(x), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.last(x)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 is coarser than a grey level
            return self.to_image(x.float())

    def latent_weight(self) -> Tensor:
        return self.dense.layer.weight[:, : self.latent_dim]

    def folded(self) -> "Generator":
        network = copy.deepcopy(self).eval()
        for module in list(network.modules()):
            if isinstance(module, Normed):
                module.fold()
        return network


def _doubling(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return scaled(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False))
