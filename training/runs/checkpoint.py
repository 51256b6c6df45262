"""Checkpoints (everything needed to go on) and snapshots (the EMA generator, for use)."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mirage.bundle.store.durable import atomic_write, replace_durably
from mirage.training.data.sources.pixels import to_grey_levels, to_pixels
from mirage.training.errors import DataError
from mirage.training.networks.base import Architecture, Generator
from mirage.training.networks.compact import Upscaler
from mirage.training.networks.families import (
    FAMILIES,
    AnyArchitecture,
    PictureArchitecture,
    read_architecture,
)

KEPT = 2
DAMAGED = ".damaged"
"""Added to the name of a checkpoint that cannot be used."""
_NAME = re.compile(r"checkpoint-(\d{9})\.pt")


def save_checkpoint(folder: Path, nimg: int, state: dict[str, Any], keep: int = KEPT) -> Path:
    """Write atomically, then drop all but the newest `keep`; OSError leaves those of before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{nimg:09d}.pt"
    with atomic_write(path) as file:
        torch.save({"nimg": nimg, **state}, file)
    for old in list(checkpoints(folder))[keep:]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> Iterator[Path]:
    """Checkpoint files, newest first."""
    files = folder.iterdir() if folder.exists() else ()
    return iter(sorted((file for file in files if _NAME.fullmatch(file.name)), reverse=True))


def load_latest(
    folder: Path,
    accept: Callable[[dict[str, Any]], None] = lambda _: None,
    allow_restart: bool = False,
) -> dict[str, Any] | None:
    """The newest checkpoint that can be read and is accepted; a warning names those passed over.

    accept: raises an exception for a checkpoint that is of no use. Returns None without any
    checkpoint; raises DataError when there are some and none can be used, unless `allow_restart`.
    """
    reason = ""
    for path in checkpoints(folder):
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            accept(checkpoint)
        except Exception as error:  # torch raises many kinds for a damaged file
            reason = str(error).partition("\n")[0] or type(error).__name__
            warnings.warn(f"{path.name} is damaged and passed over: {reason}", stacklevel=2)
        else:
            return checkpoint
    if reason and not allow_restart:
        raise DataError(
            f"no checkpoint in {folder} can be used (the oldest: {reason}); restore one, or begin "
            "at 0 with --allow-restart"
        )
    return None


def set_damaged_aside(folder: Path, nimg: int) -> None:
    """Rename the checkpoints after `nimg` images, which `load_latest` passed over.

    They would count as the newest for ever, and every new one be dropped as older than they are.
    """
    for path in list(checkpoints(folder)):
        if int(path.stem[-9:]) > nimg:
            replace_durably(path, path.with_name(path.name + DAMAGED))


def save_weights(
    path: Path,
    architecture: AnyArchitecture,
    metadata: dict[str, str],
    **networks: dict[str, Tensor],
) -> None:
    """Networks' weights in one safetensors file (`generator.…`), the architecture in its header."""
    tensors = {
        f"{network}.{key}": value.contiguous()
        for network, state in networks.items()
        for key, value in state.items()
    }
    header = {"architecture": architecture.model_dump_json(), **metadata}
    content = _in_order(save(tensors, metadata=header))  # save_file would keep it from other users
    with atomic_write(path) as file:
        file.write(content)


def _in_order(content: bytes) -> bytes:
    """The same safetensors file with its metadata sorted, so that equal weights are equal bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def load_weights(
    path: Path, network: str
) -> tuple[AnyArchitecture, dict[str, Tensor], dict[str, str]]:
    """The architecture, one network's weights and the header of a file by `save_weights`."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            prefix = f"{network}."
            state = {
                key.removeprefix(prefix): file.get_tensor(key)
                for key in file.keys()  # noqa: SIM118  (not a mapping)
                if key.startswith(prefix)
            }
        architecture = read_architecture(header["architecture"])
    except Exception as error:
        raise DataError(f"{path.name} holds no {network} that can be read: {error}") from error
    return architecture, state, header


def parameter_counts(path: Path) -> dict[str, int]:
    """How many numbers each network of a file by `save_weights` has, by the network's name."""
    counts: dict[str, int] = {}
    with safe_open(path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118  (not a mapping)
            network = key.partition(".")[0]
            counts[network] = counts.get(network, 0) + math.prod(file.get_slice(key).get_shape())
    return counts


class ServedGenerator(nn.Module):
    """The generator as it is served: latents (and labels) in, uint8 [N, H, W, C] out."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator.folded()

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
