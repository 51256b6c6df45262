"""Layers that several families share."""

import math
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2

Layer = TypeVar("Layer", nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)


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
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d)):
        # an output sees kernel / stride taps of each input and axis
        fan_in = weight.shape[0] * math.prod(weight.shape[2:]) // math.prod(layer.stride)
    nn.init.normal_(weight, std=gain * math.sqrt(2 / (1 + SLOPE**2) / fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def random_bias(layer: nn.Linear) -> nn.Linear:
    """Initialise the bias with the deviation of `scaled` outputs for standard normal inputs.

    If the outputs are normalised later, a bias of 0 would make them independent of the size of the
    inputs: of the truncation, if these are latents.
    """
    nn.init.normal_(layer.bias, std=math.sqrt(2 / (1 + SLOPE**2)))
    return layer
