"""Generators and discriminators by family name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import torch
from pydantic import Field, TypeAdapter
from torch import nn

from mirage.bundle.format.interface import OutputMeaning
from mirage.training.networks import (
    compact,
    dcgan,
    direct,
    features,
    harmonic,
    patch,
    projected,
    resampled,
    residual,
    sequence,
    spectral,
    strided,
)
from mirage.training.networks.base import Architecture, Discriminator, Generator
from mirage.training.networks.harmonic import HarmonicArchitecture
from mirage.training.networks.picture_architecture import (
    PictureArchitecture,
    TranslatorArchitecture,
)
from mirage.training.networks.sequence import SequenceArchitecture

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig

GeneratorArchitecture = Architecture | SequenceArchitecture | HarmonicArchitecture
AnyArchitecture = GeneratorArchitecture | PictureArchitecture | TranslatorArchitecture

Network = TypeVar("Network", bound=nn.Module)


OF_IMAGES: dict[str, Any] = {
    "augment": (),
    "grow_kimg": (),
    "warm_start_kimg": 0,
    "palette": 0,
    "bilateral": 0,
    "transparency": "straight",
    "background": "white",
}
OF_SEQUENCES: dict[str, Any] = {
    "strides": (),
    "span": 2,
    "edge": 3,
    "phase_shuffle": 0,
    "straight_through": False,
    "pitches": (),
}
"""Settings of one-dimensional networks, or of networks of images, and what others have."""


@dataclass(frozen=True)
class Family:
    """A generator and the discriminator it is trained with.

    Task `generate`: the generator maps latents float32 [N, latent_dim] and labels int64 [N] or None
    to images float32 [N, C, H, W], nominally in [-1, 1]; the discriminator maps images and labels
    to logits [N]. Task `upscale`: pictures [N, C, H, W] -> [N, C, s * H, s * W]; pairs of enlarged
    pictures -> maps of logits. Task `translate`: pictures -> pictures of the same size, and maps of
    logits. guide: the trained network, if any, whose features the discriminator
    sees, for model cards. meanings: of what is generated. architecture: makes that of task
    `generate`, of the configuration, medium and number of classes. fixed:
    settings that the family cannot use, with their only value.
    """

    generator: Callable[[Any], nn.Module]
    discriminator: Callable[[Any], nn.Module]
    task: str = "generate"
    guide: str = ""
    meanings: tuple[OutputMeaning, ...] = ("images",)
    architecture: Callable[["TrainConfig", Any, int], GeneratorArchitecture] = Architecture.of
    fixed: Mapping[str, Any] = field(default_factory=lambda: OF_SEQUENCES)


FAMILIES = {
    "strided": Family(strided.Generator, strided.Discriminator),
    "residual": Family(residual.Generator, residual.Discriminator),
    "dcgan": Family(dcgan.Generator, dcgan.Discriminator),
    "direct": Family(direct.Generator, strided.Discriminator),
    "projected": Family(direct.Generator, projected.Discriminator, guide=features.ORIGIN),
    "sequence": Family(
        sequence.Generator,
        sequence.Discriminator,
        meanings=("audio", "tokens"),
        architecture=SequenceArchitecture.of,
        fixed={**OF_IMAGES, "pitches": ()},
    ),
    "harmonic": Family(
        harmonic.Generator,
        spectral.Discriminator,
        meanings=("audio",),
        architecture=HarmonicArchitecture.of,
        fixed={**OF_IMAGES, "span": 2, "edge": 3, "phase_shuffle": 0, "straight_through": False},
    ),
    "compact": Family(compact.Upscaler, patch.Discriminator, "upscale"),
    "resampled": Family(resampled.Translator, patch.Discriminator, "translate"),
}


def families_of(task: str) -> list[str]:
    """The names of the families for a task."""
    return [name for name, family in FAMILIES.items() if family.task == task]


_ARCHITECTURES: TypeAdapter[AnyArchitecture] = TypeAdapter(
    Annotated[AnyArchitecture, Field(discriminator="family")]
)


def read_architecture(text: str) -> AnyArchitecture:
    """Parse the architecture stored as JSON with the weights; raises ValueError."""
    return _ARCHITECTURES.validate_json(text)


def channels_last(network: Network) -> Network:
    """Convert the weights of convolutions to the channels-last memory format."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


__all__ = [
    "FAMILIES",
    "AnyArchitecture",
    "Architecture",
    "Discriminator",
    "Family",
    "Generator",
    "GeneratorArchitecture",
    "PictureArchitecture",
    "SequenceArchitecture",
    "TranslatorArchitecture",
    "channels_last",
    "families_of",
    "read_architecture",
]
