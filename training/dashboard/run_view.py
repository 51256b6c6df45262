"""What the page shows of a run, read while another process may write it."""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from mirage.training.config import TrainConfig
from mirage.training.dashboard.curves import CurveChart, curve_charts
from mirage.training.dashboard.grids import Grid, list_grids
from mirage.training.dashboard.signals import Signal, signals_of
from mirage.training.dashboard.stages import Stage, stages_of
from mirage.training.dashboard.stats_tail import Line, StatsTail
from mirage.training.errors import DataError
from mirage.training.publish.job_result import JobResult, read_result
from mirage.training.report.about import ABOUT
from mirage.training.report.charts import Alarm, Chart, charts_of, read_watch
from mirage.training.report.page import SMALL_SIDE
from mirage.training.report.run_page import headline, training_seconds
from mirage.training.report.score_history import score_charts
from mirage.training.runs.run_dir import Run

Status = Literal["waiting", "training", "stopped", "finished", "failed"]
RECENT = 5
"""Reports that the speed is the mean of."""
LATE_AFTER_S, LATE_REPORTS = 60.0, 5.0
"""A report may take so many times longer than before, and so much more for a checkpoint."""


class Progress(BaseModel):
    """nimg: images seen, of `total`. resumes_at: images seen by the last checkpoint.

    seconds_left: at the present speed, while it trains. late: no report for unusually long.
    """

    nimg: int
    total: int | None
    kimg_per_s: float | None
    seconds_left: float | None
    trained_s: float
    report_age_s: float | None
    late: bool
    resumes_at: int | None


class About(BaseModel):
    """What is trained. small: whether the images are enlarged without smoothing."""

    preset: str
    task: str
    facts: dict[str, str]
    grid: str
    small: bool


class Job(BaseModel):
    """The last record of a retraining job."""

    headline: str
    reasons: tuple[str, ...]


class State(BaseModel):
    """The state of a run. revision: changes with the curves. about: None without a configuration.

    problem: why the configuration cannot be read. command: resumes the run; None if unrecorded.
    """

    name: str
    folder: str
    status: Status
    problem: str | None
    progress: Progress
    stages: list[Stage]
    about: About | None
    watchdog_off: bool
    patience: int
    signals: list[Signal]
    alarm: Alarm | None
    job: Job | None
    command: str | None
    grids: list[Grid]
    revision: str


@dataclass(frozen=True)
class _Recipe:
    """What config.json says; problem: why it cannot be read."""

    config: TrainConfig | None = None
    total: int | None = None
    stages: Sequence[Stage] = ()
    about: About | None = None
    problem: str | None = None


class RunView:
    """A run as JSON documents; files may be missing, incomplete or damaged. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        self._tail = StatsTail(self.run.stats_file)
        self._lock = threading.Lock()

    def lines(self) -> list[Line]:
        """The statistics so far."""
        with self._lock:
            return list(self._tail.read())

    def curves(self) -> list[CurveChart]:
        """All curves of statistics and scores."""
        return curve_charts([*_score_charts(self.run), *charts_of(self.lines())])

    def state(self) -> State:
        """Everything else."""
        lines, recipe = self.lines(), _read_recipe(self.run)
        config = recipe.config
        watch, job = read_watch(self.run.watchdog_file), read_result(self.run.path)
        is_training = self.run.is_locked()
        progress = _progress(self.run, lines, recipe, is_training)
        alarm = watch.first_sign if watch and not is_training else None
        return State(
            name=self.run.path.resolve().name,
            folder=str(self.run.path.resolve()),
            status=_status(self.run, progress, is_training, alarm),
            problem=recipe.problem,
            progress=progress,
            stages=list(recipe.stages),
            about=recipe.about,
            watchdog_off=config.watch.off if config else False,
            patience=config.watch.patience if config else 0,
            signals=signals_of(lines, config) if config else [],
            alarm=alarm,
            job=_job(job) if job else None,
            command=str(command) if (command := self.run.read_command()) else None,
            grids=list_grids(self.run),
            revision=_revision(self.run, lines),
        )


def _read_recipe(run: Run) -> _Recipe:
    if not run.config_file.exists():
        return _Recipe()
    try:
        config, data = run.read_config()
        total = round(1000 * config.kimg)
        return _Recipe(config, total, stages_of(config, data), _about(config, data))
    except (DataError, LookupError, TypeError, ValueError, OverflowError):
        text = "config.json cannot be read: it is damaged or of another version of Mirage"
        return _Recipe(problem=text)


def _score_charts(run: Run) -> list[Chart]:
    try:
        return score_charts(run)
    except (OSError, ValueError):  # a file that has just been removed, or a name without a number
        return []


def _status(run: Run, progress: Progress, is_training: bool, alarm: Alarm | None) -> Status:
    if is_training:
        return "training"
    if alarm:
        return "failed"
    if progress.total is not None and progress.nimg >= progress.total:
        return "finished"
    return "stopped" if progress.nimg or run.config_file.exists() else "waiting"


def _progress(run: Run, lines: Sequence[Line], recipe: _Recipe, is_training: bool) -> Progress:
    checkpoint = _last_checkpoint(run)
    nimg = max(int(lines[-1]["nimg"]) if lines else 0, checkpoint or 0)
    rate, age = _kimg_per_s(lines), _age_s(run.stats_file)
    left, late, config = None, False, recipe.config
    if is_training and config and rate and age is not None:
        left = max(0.0, (config.kimg - nimg / 1000) / rate - age)
        late = age > LATE_AFTER_S + LATE_REPORTS * config.status_kimg / rate
    return Progress(
        nimg=nimg,
        total=recipe.total,
        kimg_per_s=rate,
        seconds_left=left,
        trained_s=training_seconds(lines, nimg),
        report_age_s=age,
        late=late,
        resumes_at=checkpoint,
    )


def _last_checkpoint(run: Run) -> int | None:
    names = (path.stem.removeprefix("checkpoint-") for path in run.checkpoints.glob("*-[0-9]*.pt"))
    return max((int(name) for name in names if name.isdecimal()), default=None)


def _kimg_per_s(lines: Sequence[Line]) -> float | None:
    rates = [rate for line in lines[-RECENT:] if (rate := line.get("kimg_per_s", 0.0)) > 0]
    return statistics.harmonic_mean(rates) if rates else None


def _age_s(file: Path) -> float | None:
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return None


def _about(config: TrainConfig, data: dict[str, Any]) -> About:
    texts = ABOUT[config.task]
    return About(
        preset=config.preset,
        task=config.task,
        facts=texts.facts(data),
        grid=texts.grid(data),
        small=texts.side(data) <= SMALL_SIDE,
    )


def _job(result: JobResult) -> Job:
    return Job(headline=headline(result), reasons=result.reasons)


def _revision(run: Run, lines: Sequence[Line]) -> str:
    scored = sum(1 for _ in run.snapshots.glob("[0-9]*.scores.json"))
    return f"{len(lines)}-{int(lines[-1]['nimg']) if lines else 0}-{scored}"
