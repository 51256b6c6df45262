"""The averaged network of a snapshot or a bundle, ready for use on the CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mirage.training.checkpoint import load_weights
from mirage.training.errors import DataError
from mirage.training.networks import FAMILIES, Architecture, Generator, PictureArchitecture
from mirage.training.networks.compact import Upscaler
from mirage.training.pixels import to_grey_levels, to_pixels


class ServedGenerator(nn.Module):
    """The generator as it is served: latents (and labels) in, uint8 [N, H, W, C] out."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return to_pixels(self.generator(latents, labels), self.generator.transparency)


class ServedUpscaler(nn.Module):
    """The upscaler as it is served: pictures uint8 [N, H, W, C] in, [N, s * H, s * W, C] out."""

    def __init__(self, upscaler: nn.Module) -> None:
        super().__init__()
        self.upscaler = upscaler

    def forward(self, pictures: Tensor) -> Tensor:
        return to_grey_levels(self.upscaler(pictures.permute(0, 3, 1, 2) / 127.5 - 1))


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


@dataclass(frozen=True)
class UpscalerSnapshot:
    """A snapshot of task `upscale` as it comes from a run."""

    path: Path
    architecture: PictureArchitecture
    upscaler: Upscaler
    nimg: int

    @torch.inference_mode()
    def enlarge(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, C] -> uint8 [N, s * H, s * W, C], by PyTorch."""
        images = ServedUpscaler(self.upscaler)(torch.from_numpy(pictures.copy()))
        return np.ascontiguousarray(images.numpy())


def load_upscaler(path: Path) -> UpscalerSnapshot:
    """Read the averaged upscaler of a file by `save_weights`; raises DataError."""
    architecture, state, header = load_weights(path, "generator")
    if not isinstance(architecture, PictureArchitecture):
        raise DataError(f"{path.name} is of family {architecture.family}, which takes no pictures")
    upscaler = Upscaler(architecture)
    upscaler.load_state_dict(state)
    return UpscalerSnapshot(path, architecture, upscaler.eval(), int(header["nimg"]))


def load_snapshot(path: Path) -> Snapshot:
    """Read the EMA generator of a file by `save_weights`; raises DataError."""
    architecture, state, header = load_weights(path, "generator")
    if not isinstance(architecture, Architecture):
        raise DataError(f"{path.name} is of family {architecture.family}, which has no latents")
    generator = cast(Generator, FAMILIES[architecture.family].generator(architecture))
    generator.load_state_dict(state)
    return Snapshot(path, architecture, generator.eval(), int(header["nimg"]))
