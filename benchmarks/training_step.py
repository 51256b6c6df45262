"""Images per second of one training step of each preset, on the CPU, in turn."""

import json
import statistics
import time

import numpy as np
import torch

from training.config import build_config
from training.dataset import Dataset
from training.loop import data_sheet, resolve_precision
from training.pixels import to_float
from training.run import architecture_of
from training.step import Batch, Players, Step

ROUNDS, STEPS = 7, 3
VARIANTS = {
    "mnist": ("mnist", {}),
    "mnist, float32": ("mnist", {"precision": "float32"}),
    "mnist, no penalty": ("mnist", {"gamma": 0.0}),
    "dcgan": ("dcgan", {}),
}


class Subject:
    """One variant, ready to step."""

    def __init__(self, preset: str, changes: dict[str, object]) -> None:
        config = build_config(preset, changes)
        precision = resolve_precision(config.precision)
        self.config = config.model_copy(update={"precision": precision})
        images = np.zeros((1, 28, 28, 1), np.uint8)
        data = Dataset(images, np.zeros(1, np.int64), tuple("0123456789"), "")
        players = Players(self.config, architecture_of(self.config, data_sheet(data)))
        self.step = Step(self.config, players)
        self.batches = self._batch(), self._batch()

    def _batch(self) -> Batch:
        size = self.config.batch_size
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (size, 28, 28, 1), np.uint8)
        latents = torch.randn(size, self.config.latent_dim)
        return Batch(to_float(images), latents, torch.arange(size) % 10)

    def images_per_s(self) -> float:
        started = time.perf_counter()
        for _ in range(STEPS):
            self.step(0, *self.batches)
        return STEPS * self.config.batch_size / (time.perf_counter() - started)


def main() -> None:
    subjects = {name: Subject(*variant) for name, variant in VARIANTS.items()}
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    for round_ in range(ROUNDS + 1):  # the first warms up
        for name, subject in subjects.items():
            rate = subject.images_per_s()
            if round_:
                rates[name].append(rate)
    medians = {name: round(statistics.median(values), 1) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"{name:<20}{rate:>8.1f} images/s")
    print(json.dumps({"threads": torch.get_num_threads(), "images_per_s": medians}))


if __name__ == "__main__":
    main()
