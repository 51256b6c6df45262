"""Random weights in the place of those that only an extra brings."""

from pathlib import Path

import torch
from torch import Tensor

from mirage.training.networks.features import STAGES, folded, keep_weights

STEM = 32


def random_state() -> dict[str, Tensor]:
    """Tensors as the package's file holds them, the same every time."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def layer(conv: str, norm: str, outputs: int, inputs: int, size: int) -> None:
        deviation = (2 / (inputs * size * size)) ** 0.5
        shape = (outputs, inputs, size, size)
        state[f"{conv}.weight"] = deviation * torch.randn(shape, generator=random)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(outputs, generator=random) + 0.5

    layer("_conv_stem", "_bn0", STEM, 3, 3)
    number, inputs = 0, STEM
    for blocks, kernel, _, expansion, outputs in STAGES:
        for _ in range(blocks):
            place, wide = f"_blocks.{number}.", expansion * inputs
            if expansion > 1:
                layer(f"{place}_expand_conv", f"{place}_bn0", wide, inputs, 1)
            layer(f"{place}_depthwise_conv", f"{place}_bn1", wide, 1, kernel)
            layer(f"{place}_project_conv", f"{place}_bn2", outputs, wide, 1)
            number, inputs = number + 1, outputs
    return state


def keep_random_weights(cache: Path) -> Path:
    """Put them where a discriminator looks for the real ones."""
    return keep_weights(folded(random_state()), cache / "features")
