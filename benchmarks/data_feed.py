"""Measures which share of a training step is spent on loading the next batch."""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mirage.training.config import build_config
from mirage.training.data.dataset import Dataset
from mirage.training.data.load import load_dataset
from mirage.training.runs.batches import BatchLoader
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import architecture_of

ROUNDS, STEPS, IMAGES = 9, 5, 60_000


def digits(folder: Path) -> Dataset:
    """Noise images in the number and size of MNIST, read from a file."""
    noise = np.random.default_rng(0).integers(0, 256, (IMAGES, 28, 28, 1), np.uint8)
    labels = np.arange(IMAGES) % 10
    np.savez(folder / "digits.npz", images=noise, labels=labels)
    return load_dataset(folder / "digits.npz", cache=folder / "cache")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = digits(Path(folder))
        config = build_config("mnist", {"precision": resolve_precision("auto")})
        state = TrainState(config, architecture_of(config, data.sheet()))
        step, loader = Step(config, state), BatchLoader(config, data, torch.device("cpu"))
        feeding, stepping = [], []
        for number in range(ROUNDS * STEPS):
            nimg = number * config.batch_size
            started = time.process_time()
            loader.batches(nimg)  # the first call waits; each prefetches the next
            loader.batches(nimg + config.batch_size)
            fed = time.process_time()
            batches = loader.batches(nimg)
            between = time.process_time()
            step(nimg, *batches)
            stepping.append(time.process_time() - between)
            feeding.append((fed - started) / 2)
        loader.close()
    share = statistics.median(feeding) / statistics.median(stepping)
    milliseconds = {
        "feed_cpu_ms": round(1000 * statistics.median(feeding), 3),
        "step_cpu_ms": round(1000 * statistics.median(stepping), 2),
    }
    print(json.dumps({**milliseconds, "share": round(share, 4), "batch": config.batch_size}))


if __name__ == "__main__":
    main()
