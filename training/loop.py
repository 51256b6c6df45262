"""The training loop: status -> sample grid -> checkpoint -> stop if done -> step.

What must be reported or saved stands before the step, so the end needs no second copy of it.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training.checkpoint import load_latest, save_checkpoint, save_weights
from training.config import TrainConfig
from training.dataset import Dataset
from training.machine import machine_sheet
from training.pixels import to_float, to_grey_levels
from training.players import Players
from training.run import Run, architecture_of
from training.sampler import Sampler, Stream, draw_step_latents, random_stream
from training.step import Batch, Step

GRID = 10
"""Sample grids are 10 x 10: one column per class when there are ten."""


def train(config: TrainConfig, dataset: Dataset, run_dir: Path, threads: int | None = None) -> Run:
    """Train until `config.kimg`, going on from the run's last checkpoint if it has one.

    threads: CPU threads; None takes the checkpoint's, else torch's choice. A resumed run follows
    an unbroken one to the bit on the same machine with the same threads. SIGINT and SIGTERM end it
    with a checkpoint. Raises UsageError when the run was begun with another configuration or other
    data, LockedError when another process trains it.
    """
    run = Run(run_dir)
    with run.locked():
        config = config.model_copy(update={"precision": resolve_precision(config.precision)})
        run.write_config(config, data_sheet(dataset))
        loop = _Loop(config, dataset, run, threads)
        run.write_machine(machine_sheet())
        loop.go()
    return run


def data_sheet(dataset: Dataset) -> dict[str, Any]:
    """What a run records of its data."""
    return {
        "fingerprint": dataset.fingerprint,
        "images": len(dataset),
        "shape": list(dataset.images.shape[1:]),
        "classes": list(dataset.classes),
    }


def resolve_precision(precision: str) -> str:
    """`auto` -> bfloat16 where the CPU multiplies it natively, else float32."""
    if precision != "auto":
        return precision
    native = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return "bfloat16" if native else "float32"


class _Loop:
    def __init__(
        self, config: TrainConfig, dataset: Dataset, run: Run, threads: int | None
    ) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        self.architecture = architecture_of(config, data_sheet(dataset))
        self.sampler = Sampler(len(dataset), config.seed)
        self.players = Players(config, self.architecture)
        self.step = Step(config, self.players)
        self.nimg = 0
        self.stopping = False
        self.saved_at: int | None = None
        self.statistics: list[dict[str, float]] = []
        self.clock = time.perf_counter()
        self._resume(threads)

    def _resume(self, threads: int | None) -> None:
        checkpoint = load_latest(self.run.checkpoints)
        if checkpoint:
            self.nimg = self.saved_at = checkpoint["nimg"]
            self.players.load_state(checkpoint["players"])
            self.run.rewind_stats(self.nimg)
            threads = threads or checkpoint["threads"]
        torch.set_num_threads(threads or torch.get_num_threads())

    def go(self) -> None:
        with _stop_on_signal(self), self._bar() as bar:
            while True:
                done = self.stopping or self.nimg >= self.config.kimg * 1000
                self._report(bar, done)
                if self._due(self.config.snapshot_kimg) or done:
                    self._snapshot()
                if self._due(self.config.checkpoint_kimg) or done:
                    self._checkpoint()
                if done:
                    break
                self._advance()
                bar.update(min(self.nimg / 1000, bar.total) - bar.n)

    def _advance(self) -> None:
        torch.manual_seed(int(self._random(Stream.NETWORK).integers(2**63)))
        self.players.generator.train()
        self.statistics.append(self.step(self.nimg, *self._batches()))
        self.nimg += self.config.batch_size

    def _due(self, every_kimg: float) -> bool:
        """Whether this step is the first at or after a multiple of `every_kimg`."""
        every = every_kimg * 1000
        return self.nimg // every != (self.nimg - self.config.batch_size) // every

    def _random(self, stream: Stream) -> np.random.Generator:
        return random_stream(self.config.seed, stream, self.nimg)

    def _batches(self) -> tuple[Batch, Batch]:
        """The two networks' batches: each has its own real images, labels and latents."""
        size = self.config.batch_size
        chosen = self.sampler.indices(2 * self.nimg, 2 * size)
        return (
            self._batch(chosen[:size], Stream.DISCRIMINATOR_LATENTS),
            self._batch(chosen[size:], Stream.GENERATOR_LATENTS),
        )

    def _batch(self, indices: np.ndarray, stream: Stream) -> Batch:
        shape = (len(indices), self.config.latent_dim)
        latents = draw_step_latents(self.config.seed, stream, self.nimg, shape)
        labels = self.dataset.labels
        return Batch(
            images=to_float(self.dataset.images[indices]),
            latents=torch.from_numpy(latents),
            labels=None if labels is None else torch.from_numpy(labels[indices]),
        )

    def _bar(self) -> tqdm:
        form = "{l_bar}{bar}| {n:.1f}/{total:g} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
        return tqdm(
            total=self.config.kimg,
            initial=self.nimg / 1000,
            desc=self.run.path.name,
            unit="kimg",
            bar_format=form,
        )

    def _report(self, bar: tqdm, done: bool) -> None:
        if not self.statistics or not (self._due(self.config.status_kimg) or done):
            return
        now = time.perf_counter()
        images = len(self.statistics) * self.config.batch_size
        means = {
            key: sum(line[key] for line in self.statistics) / len(self.statistics)
            for key in self.statistics[-1]
        }
        rate = images / (now - self.clock) / 1000
        line = {"nimg": self.nimg, "kimg_per_s": round(rate, 4), **means, **self._schedule()}
        self.run.append_stats(line)
        bar.set_postfix({key: f"{means[key]:.3f}" for key in ("d_loss", "g_loss")})
        self.statistics, self.clock = [], now

    def _schedule(self) -> dict[str, float]:
        names = ("lr", "beta2", "gamma", "ema_half_life_kimg")
        return {name: getattr(self.config, name).at(self.nimg) for name in names}

    def _checkpoint(self) -> None:
        if self.nimg != self.saved_at:
            state = {
                "players": self.players.state(),
                "threads": torch.get_num_threads(),
                "torch": str(torch.__version__),
            }
            save_checkpoint(self.run.checkpoints, self.nimg, state)
            self.saved_at = self.nimg

    def _snapshot(self) -> None:
        labels = self._grid_labels()
        latents = random_stream(self.config.seed, Stream.SAMPLES, 0).standard_normal(
            (GRID * GRID, self.config.latent_dim), dtype=np.float32
        )
        self.run.save_grid(self.nimg, generate(self.players.ema, latents, labels), GRID)
        metadata = {"nimg": str(self.nimg)}
        save_weights(
            self.run.snapshot_path(self.nimg),
            self.architecture,
            metadata,
            generator=self.players.ema.state_dict(),
            discriminator=self.players.discriminator.state_dict(),
        )

    def _grid_labels(self) -> np.ndarray | None:
        classes = self.architecture.num_classes
        return np.arange(GRID * GRID, dtype=np.int64) % min(classes, GRID) if classes else None


@torch.inference_mode()
def generate(network: nn.Module, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """float32 [N, latent_dim] and int64 [N] or None -> uint8 [N, H, W, C], in float32."""
    network.eval()
    chosen = None if labels is None else torch.from_numpy(labels)
    images = network(torch.from_numpy(latents), chosen)
    return to_grey_levels(images).contiguous().numpy()


@contextmanager
def _stop_on_signal(loop: _Loop) -> Iterator[None]:
    """SIGINT and SIGTERM finish the step, save and end; a second one ends at once."""

    def stop(number: int, _frame: object) -> None:
        if loop.stopping:
            raise SystemExit(128 + number)
        loop.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
