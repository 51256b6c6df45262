"""A preview of a training run: settings, sizes, estimated times, and the data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from mirage.training.auto import Facts, choose
from mirage.training.config import TrainConfig
from mirage.training.recipe import AUTO
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.state import TrainState
from mirage.training.runs.time_budget import STEPS, seconds_per_step
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.task import Data

SHEET = "data.png"
LONG_HOURS = 12
"""More than a night: then a shorter training is proposed."""


def dry_run(
    config: TrainConfig, data: Data, run: Path, device: torch.device, facts: Facts | None
) -> Iterator[str]:
    """Yield lines of text, and write a sheet of real samples to the run's folder, without training.

    First what was found in the data, then what the preset `auto` chose, the costs, and settings.
    Raises the errors that training would raise for invalid settings and data.
    """
    config = config.model_copy(update={"precision": resolve_precision(config.precision, device)})
    task = TASKS[config.task]
    architecture = task.architecture(config, data.sheet())
    state = TrainState(config, architecture).to(device)
    yield from task.describe(data)
    if facts is not None:
        yield from (f"auto           {reason}" for reason in choose(facts)[1])
    yield from _networks(state)
    yield from _costs(config, state, data, device)
    yield f"sheet          {_write_sheet(task.preview(config, data), run)}"
    yield "next           the same command without --dry-run trains"
    yield "settings       which --set KEY=VALUE changes:"
    yield json.dumps(_rounded(config.model_dump(exclude_defaults=True)), indent=2)


def _rounded(value: Any) -> Any:
    """Settings with six digits of each number, for people: 3e-05, not 2.9999999999999997e-05."""
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
    return value


def _networks(state: TrainState) -> Iterator[str]:
    for name in ("generator", "discriminator"):
        count = _parameters(getattr(state, name))
        yield f"{name:<15}{count / 1e6:.2f} M parameters, {4 * count / 1e6:.1f} MB"


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _costs(
    config: TrainConfig, state: TrainState, data: Data, device: torch.device
) -> Iterator[str]:
    """Estimate memory and disk from the weights, and time from a few real steps."""
    both = _parameters(state.generator) + _parameters(state.discriminator)
    averages = (1 + len(state.further)) * _parameters(state.generator)
    memory = 4 * (3 * both + averages)  # weights and two moments
    snapshots = 1 + int(config.kimg // config.snapshot_kimg)
    disk = 2 * memory + snapshots * 4 * (_parameters(state.discriminator) + averages)
    seconds = seconds_per_step(config, state, data, device)
    hours = seconds * config.kimg * 1000 / config.batch_size / 3600
    yield f"memory         {(memory + 4 * both) / 1e6:,.0f} MB of weights, moments and gradients"
    yield f"disk           {disk / 1e6:,.0f} MB of checkpoints and {snapshots} snapshots"
    yield (
        f"time           {hours:.{1 if hours >= 1 else 2}f} h for {config.kimg:g} kimg at "
        f"{config.batch_size / seconds / 1000:.3g} kimg/s, from at most {STEPS} steps on "
        f"{device.type} in {config.precision} with {torch.get_num_threads()} threads"
    )
    if hours > LONG_HOURS and config.preset == AUTO and config.schedule_kimg is None:
        yield "shorter        --hours 8 trains as many images as fit into 8 hours"


def _write_sheet(sheet: np.ndarray, run: Path) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.squeeze()).save(run / SHEET)
    return run / SHEET
