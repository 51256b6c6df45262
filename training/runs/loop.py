"""The training loop: status -> sample grid -> checkpoint -> stop if done -> step.

Reports and checkpoints come before the step, so the end of training needs no extra copy of them.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tqdm import tqdm

from mirage.training.config import TrainConfig
from mirage.training.data.dataset import Dataset
from mirage.training.data.latent_codes import latent_codes
from mirage.training.errors import CollapseError, StoppedError
from mirage.training.media.pixels import contact_sheet
from mirage.training.networks.base import Architecture
from mirage.training.optim.distributed import (
    any_of,
    average_each,
    from_rank_0,
    is_launched,
    own_part,
    rank,
    together,
)
from mirage.training.runs.batches import BatchLoader
from mirage.training.runs.checkpoint import (
    load_latest,
    save_checkpoint,
    save_weights,
    set_damaged_aside,
)
from mirage.training.runs.command import this_command
from mirage.training.runs.device import machine_sheet, resolve_precision
from mirage.training.runs.group import settle
from mirage.training.runs.growth import take_over
from mirage.training.runs.initial_weights import warm_start
from mirage.training.runs.mlflow_recorder import MlflowRecorder
from mirage.training.runs.monitor import Watchdog
from mirage.training.runs.pace import Pace
from mirage.training.runs.recorders import TensorBoardRecorder, make_film
from mirage.training.runs.remote_copy import RemoteCopy
from mirage.training.runs.run_dir import Run
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.runs.stopping import StopRequest, told_when_full
from mirage.training.tasks.randomness import Stream, random_stream
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.task import Data
from mirage.training.tasks.warm_start import WarmStartBatches

SHOWN = ("reconstruction", "d_loss", "g_loss", "psnr")
"""Statistics shown with the progress bar."""


def train(
    config: TrainConfig,
    data: Data,
    run_dir: Path,
    threads: int | None = None,
    device: torch.device | str = "cpu",
    start: Path | None = None,
    tensorboard: bool = False,
    allow_restart: bool = False,
    checkpoints_to: str | None = None,
) -> Run:
    """Train until `config.kimg`, resuming from the run's last checkpoint if there is one.

    threads: CPU threads; None uses those of the checkpoint, else torch's default. start: a bundle
    or run with the initial weights of a new run. tensorboard: also log to TensorBoard.
    allow_restart: restart at 0 if there are checkpoints but none can be used. checkpoints_to: a URL
    for a copy of each checkpoint, which is resumed if it is newer than the run's; raises
    BundleError if it cannot be read, or not be written at the end. Processes of a group
    (`optim.distributed`) train together; only rank 0 uses `run_dir`. On the same CPU with the same
    threads, a resumed run is bit-identical to an uninterrupted one. SIGINT and SIGTERM write a
    checkpoint and stop. Raises UsageError if the run was started with another configuration or
    other data, LockedError if another process trains it, CollapseError if it fails, DataError if no
    checkpoint can be used or the disk is full, StoppedError if a signal stopped a group.
    """
    run, device = Run(run_dir), torch.device(device)
    with told_when_full(run), together(device.type), ExitStack() as held:
        from_rank_0(lambda: held.enter_context(run.locked()))
        copy = RemoteCopy(run, checkpoints_to) if checkpoints_to else None
        from_rank_0(lambda: copy.restore() if copy else None)
        precision = resolve_precision(config.precision, device)
        config = config.model_copy(update={"precision": precision})
        config = settle(config, data, run)
        loop = _Loop(config, data, run, threads, device, start, allow_restart)
        if rank() == 0:
            run.write_machine(machine_sheet())
            run.write_command(this_command())
            loop.copy = copy
            loop.mlflow = held.enter_context(MlflowRecorder(run, loop.nimg))
            loop.board = TensorBoardRecorder(run.board, loop.nimg) if tensorboard else None
        loop.go()
    if is_launched() and loop.nimg < config.kimg * 1000:
        text = f"stopped after {loop.nimg / 1000:g} of {config.kimg:g} kimg"
        raise StoppedError(f"{text}; the same command resumes")
    return run


class _Loop:
    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        run: Run,
        threads: int | None,
        device: torch.device,
        start: Path | None,
        allow_restart: bool,
    ) -> None:
        self.config, self.run = config, run
        task = TASKS[config.task]
        self.final = task.architecture(config, data.sheet())
        self.device = device
        self.nimg = 0
        self.state = self._new_state(0)
        self.stop = StopRequest()
        self.saved_at: int | None = None
        self.statistics: list[dict[str, float]] = []
        self._resume(threads, start, allow_restart)
        self.clock, self.clocked_nimg = time.perf_counter(), self.nimg
        self.step = Step(config, self.state)
        self.loader = BatchLoader(config, data, device, self._warm_start(data))
        self.board: TensorBoardRecorder | None = None
        self.mlflow: MlflowRecorder | None = None
        self.copy: RemoteCopy | None = None
        self.watchdog = Watchdog(run.watchdog_file, config.watch, config.loss, self.nimg)
        self.samples = task.samples(config, data)
        self.pace = Pace()

    def _resume(self, threads: int | None, start: Path | None, allow_restart: bool) -> None:
        """Take the last checkpoint, which only rank 0 reads, or the initial weights."""
        checkpoint = from_rank_0(lambda: self._load(allow_restart))
        if checkpoint:
            if rank() != 0:
                self._take(checkpoint)
            self.nimg = self.saved_at = checkpoint["nimg"]
            self.statistics = checkpoint.get("statistics", [])
            threads = threads or checkpoint["threads"]
        elif start is not None:
            warm_start(start, self.state, self.architecture)
        torch.set_num_threads(threads or torch.get_num_threads())

    def _load(self, allow_restart: bool) -> dict[str, Any] | None:
        """Load the last checkpoint, and remove from the run what came after it."""
        checkpoint = load_latest(self.run.checkpoints, self._take, allow_restart)
        nimg = checkpoint["nimg"] if checkpoint else 0
        set_damaged_aside(self.run.checkpoints, nimg)
        self.run.rewind_stats(nimg)
        return checkpoint

    def _warm_start(self, data: Data) -> WarmStartBatches | None:
        """Batches of the warm start, or None after it; the latent codes are stored in the run."""
        if self.nimg >= self.config.warm_start_images:
            return None
        dataset = cast(Dataset, data)
        codes = from_rank_0(lambda: torch.from_numpy(self._codes(dataset)))
        return WarmStartBatches(self.config, dataset, codes.numpy())

    def _codes(self, dataset: Dataset) -> np.ndarray:
        if self.nimg == 0:
            config = self.config
            shape = config.latent_dim, config.transparency, config.seed
            self.run.write_codes(latent_codes(dataset.images, *shape))
        return self.run.read_codes()

    def _take(self, checkpoint: dict[str, Any]) -> None:
        try:
            step_before = max(0, checkpoint["nimg"] - self.config.batch_size)
            self.state = self._new_state(step_before)
            self.state.load_state_dict(checkpoint["players"])
        except Exception:  # of other networks: what it has moved must not stay
            self.state = self._new_state(0)
            raise

    def _new_state(self, nimg: int) -> TrainState:
        """Create untrained networks with the stages that they have after `nimg` images."""
        architecture, self.stages_left = self.final, self.config.stages_left(nimg)
        if self.stages_left:
            architecture = cast(Architecture, self.final).before_growth(self.stages_left)
        self.architecture = architecture
        return TrainState(self.config, architecture).to(self.device)

    def go(self) -> None:
        try:
            with self.stop.by_signal(), self._bar() as bar:
                self._go(bar)
        except CollapseError:
            self._set_aside()
            raise
        finally:
            self.loader.close()
            if self.board:
                self.board.close()
        self._conclude()

    def _go(self, bar: tqdm) -> None:
        while True:
            done = self.nimg >= self.config.kimg * 1000 or any_of(self.stop.made)
            now = done or self.nimg in (self.config.warm_start_images, *self.config.growth_images)
            late = any_of(self.pace.is_due())
            report, snapshot, checkpoint = (now or self._due(every) for every in self._intervals())
            if report or snapshot or checkpoint or late:
                self._check_weights()
            if report and self.statistics:
                self._report(bar)
            if snapshot or late:
                self._draw()
            if snapshot:
                self._save(self.run.snapshot_path)
            if checkpoint or late:
                self._checkpoint()
            if late:
                self.pace.saved()
            if done:
                break
            self._advance()
            bar.update(min(self.nimg / 1000, bar.total) - bar.n)

    def _grow(self) -> None:
        """Add the next stage to the networks."""
        before, self.state = self.state, self._new_state(self.nimg)
        take_over(self.state, before)
        self.step = Step(self.config, self.state)

    def _advance(self) -> None:
        if self.stages_left > self.config.stages_left(self.nimg):
            self._grow()
        torch.manual_seed(int(self._random(Stream.NETWORK).integers(2**63)))
        self.state.generator.train()
        try:
            self.statistics.append(self.step(self.nimg, *self.loader.batches(self.nimg)))
        except CollapseError as error:
            self.watchdog.diverged(self.nimg, str(error))
        self.nimg += self.config.batch_size

    def _intervals(self) -> tuple[float, float, float]:
        config = self.config
        return config.status_kimg, config.snapshot_kimg, config.checkpoint_kimg

    def _due(self, every_kimg: float) -> bool:
        """Whether this step is the first at or after a multiple of `every_kimg`."""
        every = every_kimg * 1000
        return self.nimg // every != (self.nimg - self.config.batch_size) // every

    def _random(self, stream: Stream) -> np.random.Generator:
        return random_stream(self.config.seed, stream, self.nimg)

    def _bar(self) -> tqdm:
        form = "{l_bar}{bar}| {n:.2f}/{total:g} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
        return tqdm(
            total=self.config.kimg,
            initial=self.nimg / 1000,
            desc=self.run.path.name,
            unit="kimg",
            bar_format=form,
            disable=rank() != 0,
        )

    def _check_weights(self) -> None:
        """Raise CollapseError for weights that are not finite, before they are saved."""
        for network in (self.state.generator, self.state.discriminator, self.state.ema):
            norm = torch.nn.utils.get_total_norm(list(network.parameters()))
            if not torch.isfinite(norm):
                self.watchdog.diverged(self.nimg, "weights are no numbers any more")

    def _report(self, bar: tqdm) -> None:
        now = time.perf_counter()
        means = self._means()
        rate = (self.nimg - self.clocked_nimg) / (now - self.clock) / 1000
        measured = self.samples.measure(self.samples.draw(self.state.ema))
        schedule = self.step.rules.schedule(self.nimg)
        line = {"nimg": self.nimg, "kimg_per_s": round(rate, 4), **means, **schedule, **measured}
        if rank() == 0:
            self.run.append_stats(line)
        if self.board:
            self.board.add(self.nimg, line)
        if self.mlflow:
            self.mlflow.update()
        bar.set_postfix({key: f"{line[key]:.3f}" for key in SHOWN if key in line})
        self.statistics, self.clock, self.clocked_nimg = [], now, self.nimg
        from_rank_0(lambda: self.watchdog.look(self.nimg, {**means, **measured}))

    def _means(self) -> dict[str, float]:
        """Means of the statistics since the last report, over steps and processes.

        Only statistics of the last step are included; earlier steps may lack some.
        """
        means = {
            name: float(np.mean([line[name] for line in self.statistics if name in line]))
            for name in self.statistics[-1]
        }
        own = own_part(self.config.batch_size)
        return average_each(means, own.stop - own.start)

    def _checkpoint(self) -> None:
        if self.nimg == self.saved_at or rank() != 0:
            return
        state = {
            "players": self.state.state_dict(),
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "statistics": self.statistics,
        }
        self.watchdog.write()  # first: resuming drops looks after a checkpoint, but misses none
        keep, healthy_until = self.config.keep_checkpoints, self.watchdog.healthy_until
        save_checkpoint(self.run.checkpoints, self.nimg, state, keep, healthy_until)
        self.saved_at = self.nimg
        if self.copy:
            self.copy.update()

    def _draw(self) -> None:
        if rank() != 0:
            return
        images, columns = self.samples.draw(self.state.ema), self.samples.columns
        self.run.save_grid(self.nimg, images, columns)
        if self.board:
            self.board.add_sheet(self.nimg, contact_sheet(images, columns))

    def _save(self, path_of: Callable[[int], Path]) -> None:
        """Write a snapshot."""
        if rank() != 0:
            return
        path, metadata = path_of(self.nimg), {"nimg": str(self.nimg)}
        save_weights(path, self.architecture, metadata, **self.state.networks())

    def _set_aside(self) -> None:
        """Keep the last healthy snapshot as the result, and move later files to `unhealthy/`."""
        self._save(self.run.unhealthy_path)
        if rank() == 0:
            self.run.set_aside(self.watchdog.healthy_until)
        self._conclude()

    def _conclude(self) -> None:
        """Let rank 0 write what is left; when one fails, torchrun ends those still writing."""
        from_rank_0(self._write_last)

    def _write_last(self) -> None:
        self.watchdog.write()
        make_film(self.run)
        if self.copy:
            self.copy.close()
