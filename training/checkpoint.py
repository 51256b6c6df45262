"""Checkpoints (everything needed to go on) and snapshots (the EMA generator, for use)."""

import json
import math
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from training.errors import DataError
from training.networks import Architecture

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{9})\.pt")


def save_checkpoint(folder: Path, nimg: int, state: dict[str, Any]) -> Path:
    """Write atomically, then drop all but the newest two."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{nimg:09d}.pt"
    draft = folder / f".{path.name}"
    with draft.open("wb") as file:
        torch.save({"nimg": nimg, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    for old in list(checkpoints(folder))[KEPT:]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> Iterator[Path]:
    """Checkpoint files, newest first."""
    files = folder.iterdir() if folder.exists() else ()
    return iter(sorted((file for file in files if _NAME.fullmatch(file.name)), reverse=True))


def load_latest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read; a warning names damaged ones passed over."""
    for path in checkpoints(folder):
        try:
            return torch.load(path, weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            warnings.warn(f"{path.name} is damaged and passed over: {error}", stacklevel=2)
    return None


def save_weights(
    path: Path, architecture: Architecture, metadata: dict[str, str], **networks: dict[str, Tensor]
) -> None:
    """Networks' weights in one safetensors file (`generator.…`), the architecture in its header."""
    tensors = {
        f"{network}.{key}": value.contiguous()
        for network, state in networks.items()
        for key, value in state.items()
    }
    header = {"architecture": architecture.model_dump_json(), **metadata}
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(save(tensors, metadata=header))  # save_file would keep it from other users
    draft.replace(path)


def load_weights(
    path: Path, network: str
) -> tuple[Architecture, dict[str, Tensor], dict[str, str]]:
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
        architecture = Architecture.model_validate(json.loads(header["architecture"]))
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
