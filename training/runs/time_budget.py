"""The length of a run that fits into a given time, and what happens when."""

import time
from collections.abc import Iterator

import torch

from mirage.training.config import TrainConfig
from mirage.training.runs.batches import BatchLoader
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.task import Data

STEPS = 3
"""Timed steps, after one warm-up step."""
ENOUGH_S = 10
"""A warm-up step that takes longer is the measurement, since its extra work hardly counts then."""
RECOGNISABLE_KIMG, CONVINCING_KIMG = 20, 100
"""When 950 drawn persons at 32x32 were recognisable, and most of them convincing, to the eye."""


def seconds_per_step(
    config: TrainConfig, state: TrainState, data: Data, device: torch.device
) -> float:
    """Time some adversarial steps at full size, which dominate a run; they change `state`."""
    step, loader = Step(config, state), BatchLoader(config, data, device)
    try:
        start = max((config.warm_start_images, *config.growth_images))
        started = time.perf_counter()
        step(start, *loader.batches(start))
        if (first := time.perf_counter() - started) > ENOUGH_S:
            return first
        started = time.perf_counter()
        for _ in range(STEPS):
            step(start, *loader.batches(start))
        return (time.perf_counter() - started) / STEPS
    finally:
        loader.close()


def kimg_in(hours: float, config: TrainConfig, data: Data, device: torch.device) -> float:
    """Thousands of images that training shows in a time, in whole batches and at least one."""
    config = config.model_copy(update={"precision": resolve_precision(config.precision, device)})
    state = TrainState(config, TASKS[config.task].architecture(config, data.sheet())).to(device)
    steps = int(hours * 3600 / seconds_per_step(config, state, data, device))
    return max(1, steps) * config.batch_size / 1000


def plan(hours: float, config: TrainConfig) -> Iterator[str]:
    """Lines of text: the phases of a run that takes `hours`, and what to expect of its images."""
    yield (
        f"plan           {_brief(config.kimg)} kimg in {hours:g} h, if steps stay as fast as "
        "measured; 1 kimg: a thousand images shown"
    )
    start = 0.0
    for end, what in _phases(config):
        minutes = (end - start) / config.kimg * hours * 60
        if minutes > 0:
            yield f"phase          {minutes:.3g} min, up to {_brief(end)} kimg: {what}"
        start = max(start, end)
    yield f"expect         {_expectation(config.kimg)}"


def _brief(kimg: float) -> str:
    """Four digits, and no exponent."""
    return f"{float(f'{kimg:.4g}'):g}"


def _phases(config: TrainConfig) -> Iterator[tuple[float, str]]:
    """The end of each phase in thousands of images, in order."""
    yield config.warm_start_images / 1000, "reconstruct training images"
    yield min(config.gamma.to_kimg, config.kimg), "burn-in: strong penalties, short averages"
    yield min(config.lr.from_kimg, config.kimg), "full learning rate: variety and shapes"
    yield config.kimg, "falling learning rate: details"


def _expectation(kimg: float) -> str:
    if kimg < RECOGNISABLE_KIMG:
        return f"coarse shapes; 32x32 images took {RECOGNISABLE_KIMG} kimg to be recognisable"
    if kimg < CONVINCING_KIMG:
        return f"recognisable 32x32 images; most were convincing after {CONVINCING_KIMG} kimg"
    return (
        f"32x32 images were mostly convincing after {CONVINCING_KIMG} kimg; larger ones take more"
    )
