"""What a training run would be: its settings, sizes and times, and the data as it will see them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from mirage.training.auto import Facts, choose
from mirage.training.config import AUTO, TrainConfig
from mirage.training.dataset import Dataset
from mirage.training.dataset.sheet import describe, sample_sheet
from mirage.training.device import resolve_precision
from mirage.training.feed import Feed
from mirage.training.players import Players
from mirage.training.step import Step
from mirage.training.tasks import TASKS

STEPS = 3
"""Steps that are timed, after one that is not."""
FEW = 50
"""Images of a class below which it is named."""
SHEET = "data.png"


def dry_run(
    config: TrainConfig, data: Dataset, run: Path, device: torch.device, facts: Facts
) -> Iterator[str]:
    """Lines for people; writes a sheet of real samples into the run's folder, and trains nothing.

    Raises what training would raise for settings and data that do not fit.
    """
    config = config.model_copy(update={"precision": resolve_precision(config.precision, device)})
    architecture = TASKS[config.task].architecture(config, data.sheet())
    players = Players(config, architecture).to(device)
    yield json.dumps(config.model_dump(exclude_defaults=True), indent=2)
    if config.preset == AUTO:
        yield from choose(facts)[1]
    yield from describe(data)
    yield from _warnings(data)
    yield from _networks(players)
    yield from _costs(config, players, data, device)
    yield f"sheet          {_write_sheet(data, run)}"


def _warnings(data: Dataset) -> Iterator[str]:
    if data.labels is None:
        return
    counts = np.bincount(data.labels, minlength=len(data.classes))
    for name, count in zip(data.classes, counts, strict=True):
        if count < FEW:
            yield f"warning        class {name} has {count} images only"


def _networks(players: Players) -> Iterator[str]:
    for name in ("generator", "discriminator"):
        count = _parameters(getattr(players, name))
        yield f"{name:<15}{count / 1e6:.2f} M parameters, {4 * count / 1e6:.1f} MB"


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _costs(
    config: TrainConfig, players: Players, data: Dataset, device: torch.device
) -> Iterator[str]:
    """Memory and disk from the weights, time from a few real steps."""
    both = _parameters(players.generator) + _parameters(players.discriminator)
    averages = (1 + len(players.further)) * _parameters(players.generator)
    state = 4 * (3 * both + averages)  # weights and two moments
    snapshots = 1 + int(config.kimg // config.snapshot_kimg)
    disk = 2 * state + snapshots * 4 * (_parameters(players.discriminator) + averages)
    seconds = _seconds_per_step(config, players, data, device)
    hours = seconds * config.kimg * 1000 / config.batch_size / 3600
    yield f"memory         {(state + 4 * both) / 1e6:,.0f} MB of weights, moments and gradients"
    yield f"disk           {disk / 1e6:,.0f} MB of checkpoints and {snapshots} snapshots"
    yield (
        f"time           {hours:.1f} h for {config.kimg:g} kimg at "
        f"{config.batch_size / seconds / 1000:.3f} kimg/s, from {STEPS} steps on {device.type} "
        f"in {config.precision} with {torch.get_num_threads()} threads"
    )


def _seconds_per_step(
    config: TrainConfig, players: Players, data: Dataset, device: torch.device
) -> float:
    step, feed = Step(config, players), Feed(config, data, device)
    try:
        begun = config.warm_start_images  # nearly all steps are the game's
        step(begun, *feed.batches(begun))
        started = time.perf_counter()
        for _ in range(STEPS):
            step(begun, *feed.batches(begun))
        return (time.perf_counter() - started) / STEPS
    finally:
        feed.close()


def _write_sheet(data: Dataset, run: Path) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sample_sheet(data).squeeze()).save(run / SHEET)
    return run / SHEET
