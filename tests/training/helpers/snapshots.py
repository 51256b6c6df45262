"""Untrained snapshots of all families."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mirage.training.config import TrainConfig, build_config
from mirage.training.networks.base import Architecture
from mirage.training.networks.families import FAMILIES
from mirage.training.runs.checkpoint import Snapshot, load_snapshot, save_weights

SELF_CONTAINED = [
    name
    for name, family in FAMILIES.items()
    if family.task == "generate" and "images" in family.meanings and name != "projected"
]
"""Families of images whose networks need no package of weights.

`projected` has the generator of `direct`.
"""


def make_snapshot(folder: Path, family: str = "strided", **changes: Any) -> Snapshot:
    """A snapshot of 8x12 images with random weights, written to disk and loaded again."""
    sizes = {
        "latent_dim": 6,
        "widths": (16, 8),
        "hidden": 12,
        "height": 8,
        "width": 12,
        "channels": 1,
        "num_classes": 3,
    }
    architecture = Architecture(family=family, **{**sizes, **changes})
    torch.manual_seed(0)
    networks = FAMILIES[family]
    generator = networks.generator(architecture)
    _wake(generator)
    path = folder / "000008000.safetensors"
    save_weights(
        path,
        architecture,
        {"nimg": "8000"},
        generator=generator.state_dict(),
        discriminator=networks.discriminator(architecture).state_dict(),
    )
    return load_snapshot(path)


@torch.no_grad()
def _wake(network: nn.Module) -> None:
    """Replace zero-initialised weights by random ones, so that residual blocks have an effect."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(std=0.1)


def config_of(family: str = "strided") -> TrainConfig:
    return build_config({"strided": "mnist", "dcgan": "dcgan"}[family], {})


def sheet_of(snapshot: Snapshot) -> dict[str, Any]:
    a = snapshot.architecture
    classes = [f"class {number}" for number in range(a.num_classes)]
    shape = [a.height, a.width, a.channels]
    return {"fingerprint": "0" * 64, "images": 96, "shape": shape, "classes": classes}
