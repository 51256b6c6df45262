"""Generators and discriminators by family name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from mirage.training.networks import dcgan, residual, strided
from mirage.training.networks.architecture import Architecture
from mirage.training.networks.discriminator import Discriminator
from mirage.training.networks.generator import Generator

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Family:
    """A generator and a discriminator made for each other.

    generator: latents float32 [N, latent_dim] and labels int64 [N] or None -> images float32
    [N, C, H, W], nominally in [-1, 1]. discriminator: such images and labels -> logits [N].
    """

    generator: Callable[[Architecture], Generator]
    discriminator: Callable[[Architecture], Discriminator]


FAMILIES = {
    "strided": Family(strided.Generator, strided.Discriminator),
    "residual": Family(residual.Generator, residual.Discriminator),
    "dcgan": Family(dcgan.Generator, dcgan.Discriminator),
}


def channels_last(network: Network) -> Network:
    """The same network with its convolutions' weights laid out for channels-last images."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


__all__ = ["FAMILIES", "Architecture", "Discriminator", "Family", "Generator", "channels_last"]
