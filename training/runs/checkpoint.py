"""Checkpoints (the full state for resuming) and snapshots (the averaged generator)."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mirage.bundle.store.durable import atomic_write, replace_durably
from mirage.training.errors import DataError
from mirage.training.media.pixels import to_grey_levels
from mirage.training.networks.base import Generator
from mirage.training.networks.compact import Upscaler
from mirage.training.networks.families import (
    FAMILIES,
    AnyArchitecture,
    GeneratorArchitecture,
    PictureArchitecture,
    TranslatorArchitecture,
    read_architecture,
)
from mirage.training.networks.resampled import Translator
from mirage.training.runs.run_dir import UNHEALTHY

KEPT = 2
DAMAGED = ".damaged"
"""Suffix of checkpoints that cannot be read."""
_NAME = re.compile(r"checkpoint-(\d{9})\.pt")


def save_checkpoint(
    folder: Path, nimg: int, state: dict[str, Any], keep: int = KEPT, healthy_until: int = 0
) -> Path:
    """Write atomically, then delete all but the newest `keep`; on OSError the old ones remain.

    The newest of at most `healthy_until` images stays too, so that a failing run can resume there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{nimg:09d}.pt"
    with atomic_write(path) as file:
        _serialise({"nimg": nimg, **state}, file)
    found = list(checkpoints(folder))
    healthy = [file for file in found if _nimg_of(file) <= healthy_until]
    for old in set(found[keep:]).difference(healthy[:1]):
        old.unlink()
    return path


def _serialise(state: dict[str, Any], file: BinaryIO) -> None:
    """Write with `torch.save`, which hides the OSError of a failed write behind its own error."""
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def checkpoints(folder: Path) -> Iterator[Path]:
    """Checkpoint files, newest first."""
    files = folder.iterdir() if folder.exists() else ()
    return iter(sorted((file for file in files if _NAME.fullmatch(file.name)), reverse=True))


def _nimg_of(checkpoint: Path) -> int:
    return int(checkpoint.stem[-9:])


def load_latest(
    folder: Path,
    accept: Callable[[dict[str, Any]], None] = lambda _: None,
    allow_restart: bool = False,
) -> dict[str, Any] | None:
    """Load the newest checkpoint that can be read and is accepted; skipped ones give a warning.

    accept: raises an exception to reject a checkpoint. Returns None if there is no checkpoint.
    Raises DataError if there are checkpoints, also unhealthy ones, but none can be used, unless
    `allow_restart`; and if one does not fit into memory.
    """
    reason = ""
    for path in checkpoints(folder):
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            accept(checkpoint)
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise DataError(
                f"{path} does not fit into memory; free some and run the same command to resume"
            ) from error
        except Exception as error:  # torch raises many kinds for a damaged file
            text = str(error).partition("\n")[0] or type(error).__name__
            warnings.warn(f"{path.name} is damaged and skipped: {text}", stacklevel=2)
            reason = f"the oldest: {text}"
        else:
            return checkpoint
    if not reason and any(checkpoints(folder / UNHEALTHY)):
        reason = f"all are in {UNHEALTHY}/, saved while the run was failing"
    if reason and not allow_restart:
        raise DataError(
            f"no checkpoint in {folder} can be used ({reason}); restore one, or begin at 0 with "
            "--allow-restart"
        )
    return None


def set_damaged_aside(folder: Path, nimg: int) -> None:
    """Rename checkpoints after `nimg` images, which `load_latest` skipped.

    Otherwise they would always count as the newest, and new checkpoints would be deleted.
    """
    for path in list(checkpoints(folder)):
        if _nimg_of(path) > nimg:
            replace_durably(path, path.with_name(path.name + DAMAGED))


def save_weights(
    path: Path,
    architecture: AnyArchitecture,
    metadata: dict[str, str],
    **networks: dict[str, Tensor],
) -> None:
    """Write networks to a safetensors file (`generator.…`) with the architecture in its header."""
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
    """Sort the metadata of a safetensors file, so that equal weights give equal bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def load_weights(
    path: Path, network: str
) -> tuple[AnyArchitecture, dict[str, Tensor], dict[str, str]]:
    """Read architecture, weights of one network, and header of a file by `save_weights`."""
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
    """The number of parameters of each network in a file by `save_weights`, by name."""
    counts: dict[str, int] = {}
    with safe_open(path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118  (not a mapping)
            network = key.partition(".")[0]
            counts[network] = counts.get(network, 0) + math.prod(file.get_slice(key).get_shape())
    return counts


class ServedGenerator(nn.Module):
    """The exported generator: latents (and labels) -> stored samples [N, …]."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator.folded()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator.medium.to_stored(self.generator(latents, labels))


class ServedPictures(nn.Module):
    """The exported network: pictures uint8 [N, H, W, C] -> uint8 [N, s * H, s * W, C]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        return to_grey_levels(self.network(pictures.permute(0, 3, 1, 2) / 127.5 - 1))


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a run or a bundle."""

    path: Path
    architecture: GeneratorArchitecture
    generator: Generator
    nimg: int

    @torch.inference_mode()
    def generate(self, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Generate stored samples [N, …] from float32 [N, latent_dim] and int64 [N] or None."""
        chosen = None if labels is None else torch.from_numpy(labels)
        images = ServedGenerator(self.generator)(torch.from_numpy(latents), chosen)
        return np.ascontiguousarray(images.numpy())


@dataclass(frozen=True)
class PictureSnapshot:
    """A snapshot of a run of a task with pictures."""

    path: Path
    architecture: PictureArchitecture | TranslatorArchitecture
    network: Upscaler | Translator
    nimg: int

    @torch.inference_mode()
    def convert(self, pictures: np.ndarray) -> np.ndarray:
        """Convert uint8 [N, H, W, C] to uint8 [N, s * H, s * W, C], with PyTorch."""
        images = ServedPictures(self.network)(torch.from_numpy(pictures.copy()))
        return np.ascontiguousarray(images.numpy())


def load_picture_network(path: Path) -> PictureSnapshot:
    """Load the averaged network of a file by `save_weights`; raises DataError."""
    architecture, state, header = load_weights(path, "generator")
    if isinstance(architecture, GeneratorArchitecture):
        raise DataError(f"{path.name} is of family {architecture.family}, which takes no pictures")
    network = cast(Upscaler | Translator, FAMILIES[architecture.family].generator(architecture))
    network.load_state_dict(state)
    return PictureSnapshot(path, architecture, network.eval(), int(header["nimg"]))


def load_snapshot(path: Path) -> Snapshot:
    """Load the averaged generator of a file by `save_weights`; raises DataError."""
    architecture, state, header = load_weights(path, "generator")
    if not isinstance(architecture, GeneratorArchitecture):
        raise DataError(f"{path.name} is of family {architecture.family}, which has no latents")
    generator = cast(Generator, FAMILIES[architecture.family].generator(architecture))
    generator.load_state_dict(state)
    return Snapshot(path, architecture, generator.eval(), int(header["nimg"]))
