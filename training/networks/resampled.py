"""The family `resampled`: pictures drawn in another style, at the same size.

Two strided convolutions, residual blocks at a quarter of the size, and two nearest-neighbour
enlargements. It has neither normalisation nor global operations, so each pixel depends on a fixed
neighbourhood: tiles that start at multiples of `MULTIPLE` pixels, with a halo of `radius`, give the
same bytes as the whole picture. Transposed convolutions would draw checkerboards.
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks.picture_architecture import TranslatorArchitecture

Border = Literal["zeros", "replicate"]

SLOPE = 0.1
MULTIPLE = 4
"""Sides of pictures and starts of tiles are multiples of the coarsest pixel's side."""
RESIDUAL_GAIN = 0.1
"""Initial scale of the last convolution of a branch: the network starts near the identity."""


class Translator(nn.Module):
    """Pictures float32 [N, C, H, W] in [-1, 1] -> [N, C, H, W]; H and W are multiples of 4.

    The output is the picture plus a correction; features of the way down are added on the way up.
    back: the network of the opposite direction, for cycle consistency, or None. projections: for
    each layer of `features`, an embedding of its vectors for the contrastive loss.
    """

    def __init__(self, architecture: TranslatorArchitecture, direct: bool = True) -> None:
        super().__init__()
        fine, middle, coarse = architecture.widths
        channels = architecture.channels
        self.head = _convolution(channels, fine, 5, "replicate")
        self.down = nn.ModuleList([_strided(fine, middle), _strided(middle, coarse)])
        self.blocks = nn.ModuleList(Residual(coarse) for _ in range(architecture.blocks))
        self.up = nn.ModuleList([_convolution(coarse, middle, 3), _convolution(middle, fine, 3)])
        self.tail = _convolution(fine, channels, 5)
        with torch.no_grad():
            self.tail.weight.mul_(RESIDUAL_GAIN)
        layers = (fine, middle, *(coarse for _ in self.blocks)) if architecture.embedding else ()
        self.projections = nn.ModuleList(_projection(n, architecture.embedding) for n in layers)
        self.back = (
            Translator(architecture, direct=False) if architecture.cyclic and direct else None
        )

    @property
    def radius(self) -> int:
        """Radius of the receptive field in pixels, a multiple of 4."""
        return MULTIPLE * (2 * len(self.blocks) + 4)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.decode(pictures, self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Features at the full size, at a half, and after each block at a quarter of the size."""
        full = self.head(pictures)
        half = self.down[0](F.leaky_relu(full, SLOPE))
        coarse = self.down[1](F.leaky_relu(half, SLOPE))
        layers = [full, half]
        for block in self.blocks:
            coarse = block(coarse)
            layers.append(coarse)
        return layers

    def decode(self, pictures: Tensor, features: list[Tensor]) -> Tensor:
        """The translated pictures, of the features of `pictures`."""
        full, half, *_, image = features
        for layer, skipped in zip(self.up, (half, full), strict=True):
            larger = F.interpolate(F.leaky_relu(image, SLOPE), scale_factor=2.0, mode="nearest")
            image = layer(larger) + skipped
        return self.tail(F.leaky_relu(image, SLOPE)).float() + pictures


class Residual(nn.Module):
    """x + conv(LeakyReLU(conv(LeakyReLU(x)))) of feature maps [N, width, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width, 3)
        self.second = _convolution(width, width, 3)
        with torch.no_grad():
            self.second.weight.mul_(RESIDUAL_GAIN)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.first(F.leaky_relu(features, SLOPE))
        return features + self.second(F.leaky_relu(inner, SLOPE))


def _convolution(inputs: int, outputs: int, side: int, border: Border = "zeros") -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, side, padding=side // 2, padding_mode=border)
    return _initialised(layer)


def _strided(inputs: int, outputs: int) -> nn.Conv2d:
    return _initialised(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))


def _initialised(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    layers = [nn.Linear(before, after) for before, after in pairwise((inputs, outputs, outputs))]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])
