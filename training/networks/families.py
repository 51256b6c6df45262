"""Generators and discriminators by family name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import torch
from pydantic import Field, TypeAdapter
from torch import nn

from mirage.training.networks import compact, dcgan, direct, patch, projected, residual, strided
from mirage.training.networks.base import Architecture, Discriminator, Generator
from mirage.training.networks.picture_architecture import PictureArchitecture

AnyArchitecture = Architecture | PictureArchitecture

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Family:
    """A generator and a discriminator made for each other.

    Of task `generate`: latents float32 [N, latent_dim] and labels int64 [N] or None -> images
    float32 [N, C, H, W], nominally in [-1, 1]; such images and labels -> logits [N]. Of `upscale`:
    pictures [N, C, H, W] -> [N, C, s * H, s * W]; pairs of such pictures -> maps of logits.
    """

    generator: Callable[[Any], nn.Module]
    discriminator: Callable[[Any], nn.Module]
    task: str = "generate"


FAMILIES = {
    "strided": Family(strided.Generator, strided.Discriminator),
    "residual": Family(residual.Generator, residual.Discriminator),
    "dcgan": Family(dcgan.Generator, dcgan.Discriminator),
    "direct": Family(direct.Generator, strided.Discriminator),
    "projected": Family(direct.Generator, projected.Discriminator),
    "compact": Family(compact.Upscaler, patch.Discriminator, "upscale"),
}


def families_of(task: str) -> list[str]:
    """The names of the families that a task can be trained with."""
    return [name for name, family in FAMILIES.items() if family.task == task]


_ARCHITECTURES: TypeAdapter[AnyArchitecture] = TypeAdapter(
    Annotated[AnyArchitecture, Field(discriminator="family")]
)


def read_architecture(text: str) -> AnyArchitecture:
    """The architecture that stands as JSON beside weights; raises ValueError."""
    return _ARCHITECTURES.validate_json(text)


def channels_last(network: Network) -> Network:
    """The same network with its convolutions' weights laid out for channels-last images."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


__all__ = [
    "FAMILIES",
    "AnyArchitecture",
    "Architecture",
    "Discriminator",
    "Family",
    "Generator",
    "PictureArchitecture",
    "channels_last",
    "families_of",
    "read_architecture",
]
