"""The EMA generator of a snapshot or a bundle, ready to generate on the CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mirage.training.checkpoint import load_weights
from mirage.training.errors import DataError
from mirage.training.networks import FAMILIES, Architecture, Generator
from mirage.training.pixels import to_grey_levels


class ServedGenerator(nn.Module):
    """The generator as it is served: latents (and labels) in, uint8 [N, H, W, C] out."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return to_grey_levels(self.generator(latents, labels))


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as it comes from a run or a bundle."""

    path: Path
    architecture: Architecture
    generator: Generator
    nimg: int

    @torch.inference_mode()
    def generate(self, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """float32 [N, latent_dim] and int64 [N] or None -> uint8 [N, H, W, C], by PyTorch."""
        chosen = None if labels is None else torch.from_numpy(labels)
        images = ServedGenerator(self.generator)(torch.from_numpy(latents), chosen)
        return np.ascontiguousarray(images.numpy())


def load_snapshot(path: Path) -> Snapshot:
    """Read the EMA generator of a file by `save_weights`; raises DataError."""
    architecture, state, header = load_weights(path, "generator")
    if not isinstance(architecture, Architecture):
        raise DataError(f"{path.name} is of family {architecture.family}, which has no latents")
    generator = cast(Generator, FAMILIES[architecture.family].generator(architecture))
    generator.load_state_dict(state)
    return Snapshot(path, architecture, generator.eval(), int(header["nimg"]))
