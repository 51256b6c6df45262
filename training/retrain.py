"""The retraining job: train, export, evaluate, gate, publish, release; a repeat goes on.

Every stage keeps what it made under the name of what it was made from: checkpoints, the exported
graph by its snapshot, scorecards by their graph, a version by its graph. A repeat finds it there,
so a job may be killed at any moment and never publishes one snapshot twice.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mirage.bundle.format.verify import Bundle
from mirage.bundle.store.durable import replace_file
from mirage.training.config import TrainConfig
from mirage.training.data.dataset import Dataset
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import DataError, GateError, StoppedError
from mirage.training.evaluation.evaluate import Scoring
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.publish.destination import Destination, open_destination
from mirage.training.publish.gate import Thresholds, check_scores
from mirage.training.publish.job_result import (
    JobResult,
    failure_facts,
    prune_runs,
    read_result,
    run_path,
    write_result,
)
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.pictures.publisher import UpscalerPublisher
from mirage.training.publish.publisher import GeneratorPublisher, Publisher
from mirage.training.report.run_page import write_report
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.loop import train
from mirage.training.runs.mlflow_recorder import record_scores
from mirage.training.runs.run_dir import Run


@dataclass(frozen=True)
class Job:
    """What is asked for.

    to: models/NAME, or URL/NAME in object storage. data: pictures for task `upscale`, which hold
    their own test set. test: the held-out split of images; the data themselves when there is none.
    run: its folder; None derives one under `runs` from the model's name, the data and the settings.
    sizes: of the scores of images; None takes those for this much data. keep_runs: how many runs of
    the model stay; None keeps all. wait: for another job of this model to end, instead of giving
    up. start: a bundle whose weights the run begins with. allow_restart: as of `train`.
    """

    to: str | Path
    config: TrainConfig
    data: Dataset | PictureSet
    test: Dataset | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    card: ModelCard = field(default_factory=ModelCard)
    runs: Path = Path("runs")
    run: Path | None = None
    sizes: Sizes | None = None
    threads: int | None = None
    device: torch.device | str = "cpu"
    start: Path | None = None
    allow_restart: bool = False
    release: bool = False
    wait: bool = False
    keep_runs: int | None = None


def retrain(job: Job) -> JobResult:
    """Do what is left of a job and answer how it ended; a gate that refuses is such an end.

    Raises TrainingError or BundleError (`locked` while another job makes a version of this model)
    for every other end; `result.json` in the run then says so too, as after any other exception.
    """
    destination = open_destination(str(job.to), job.runs)
    if job.threads:
        torch.set_num_threads(job.threads)
    with destination.lock(wait=job.wait):
        stages = _Stages(job, destination)
        result = stages.go()
        if job.keep_runs:
            prune_runs(job.runs, destination.name, job.keep_runs, stages.run.path)
        return result


class _Stages:
    def __init__(self, job: Job, destination: Destination) -> None:
        self.job, self.destination, self.name = job, destination, destination.name
        precision = resolve_precision(job.config.precision, job.device)
        self.config = job.config.model_copy(update={"precision": precision})
        path = job.run or run_path(job.runs, self.name, self.config, job.data.fingerprint)
        self.run = Run(path)
        self.run.check_config(self.config, job.data.sheet())
        self.publisher = publisher_of(self.config, job.data, job.test, path, job.threads, job.sizes)
        past = read_result(path)
        self.result = past if past and past.model == self.name else self._unbegun()

    def _unbegun(self) -> JobResult:
        return JobResult(
            model=self.name,
            outcome="running",
            run=str(self.run.path),
            data_fingerprint=self.job.data.fingerprint,
        )

    def go(self) -> JobResult:
        try:
            result = self._go()
        except Exception as error:
            with suppress(OSError):  # on a full disk, the first error says more
                self._fail(error)
            raise
        return self._report(result)

    def _fail(self, error: Exception) -> None:
        self._report(self._note(**failure_facts(error)))

    def _go(self) -> JobResult:
        self._released()  # what cannot be compared is told before hours are spent
        snapshot = self._trained() or self._train()
        model = self._export(snapshot)
        if self._done():
            outcome = "released" if self.result.released else "published"
            update = {"outcome": outcome, "exit_code": 0, "reasons": (), "repeated": True}
            return self.result.model_copy(update=update)
        self._evaluate(snapshot, model)
        if refusals := self._gate():
            return self._note(outcome="refused", exit_code=GateError.exit_code, reasons=refusals)
        self._publish(snapshot, model)
        if self.job.release:
            self._release()
        outcome = "released" if self.result.released else "published"
        return self._note(outcome=outcome, exit_code=0)

    def _report(self, result: JobResult) -> JobResult:
        """Write the page about the run, which tells of the result, too; once is enough."""
        if result.repeated and result.report:
            return result
        try:
            path = write_report(self.run)
        except DataError:  # no snapshot yet
            return result
        self._note(report=str(path))
        record_scores(self.run, result.scores)
        return result.model_copy(update={"report": str(path)})

    def _begin(self, stage: str, **facts: Any) -> None:
        self._note(stage=stage, outcome="running", exit_code=None, reasons=(), **facts)

    def _note(self, **facts: Any) -> JobResult:
        self.result = self.result.model_copy(update=facts)
        write_result(self.run.path, self.result)
        return self.result

    # Training

    def _trained(self) -> Path | None:
        """The run's first snapshot with all the images that were asked for."""
        snapshots = sorted(self.run.snapshots.glob("[0-9]*.safetensors"))
        enough = (path for path in snapshots if int(path.stem) >= self.config.kimg * 1000)
        return next(enough, None)

    def _train(self) -> Path:
        self._begin("train")
        job = self.job
        train(
            self.config,
            job.data,
            self.run.path,
            job.threads,
            job.device,
            job.start,
            allow_restart=job.allow_restart,
        )
        if path := self._trained():
            return path
        raise StoppedError(f"stopped before {self.config.kimg:g} kimg; the same command goes on")

    def _export(self, snapshot: Path) -> bytes:
        """The snapshot's graph, made once: what is scored is what will be published."""
        digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
        path = snapshot.with_suffix(f".{digest[:12]}.onnx")
        if not path.exists():
            self._begin("export")
            replace_file(path, self.publisher.export(snapshot))
        model = path.read_bytes()
        sha256 = hashlib.sha256(model).hexdigest()
        if sha256 != self.result.model_sha256:  # what is noted of another graph is not of this one
            facts = {"nimg": int(snapshot.stem), "model_sha256": sha256}
            self.result = self._unbegun().model_copy(update=facts)
        return model

    # Judging

    def _evaluate(self, snapshot: Path, model: bytes) -> None:
        self._begin("evaluate")
        self._note(scores=self.publisher.evaluate(snapshot, model))

    def _gate(self) -> tuple[str, ...]:
        """The reasons against publication."""
        self._begin("gate", released_version=None, released_scores={})
        if released := self._released():
            beside = self.publisher.score(released.model)
            self._note(released_version=released.manifest.version, released_scores=beside)
        scores, limits = self.result.scores, self.job.thresholds
        checks = check_scores(scores, self.result.released_scores or None, limits)
        self._note(checks=tuple(checks))
        return tuple(str(check) for check in checks if not check.passed)

    def _released(self) -> Bundle | None:
        """The released version; raises DataError when it is of another kind than the run's."""
        bundle = self.destination.released()
        if bundle is not None:
            self.publisher.check_kind(bundle.manifest)
        return bundle

    # Publication

    def _done(self) -> bool:
        """Whether an earlier job has published this graph, and released it if that is asked for."""
        version = self.result.version
        if version is None or (self.job.release and not self.result.released):
            return False
        versions = self.destination.versions()
        if version not in versions:
            return bool(versions) and versions[-1] > version  # removed since, as old versions are
        return self._published() == version

    def _published(self) -> int | None:
        """The version that holds the graph, if there is one."""
        return self.destination.find(self.result.model_sha256 or "")

    def _publish(self, snapshot: Path, model: bytes) -> None:
        self._begin("publish")
        version = self._published()
        if version is None:
            scores, card = self.result.scores, self.job.card
            version = self.destination.publish(
                lambda to: self.publisher.publish(snapshot, model, scores, to, card)
            )
        self._note(version=version)

    def _release(self) -> None:
        self._begin("release")
        version = self.result.version
        if version is not None:
            self.destination.release(version)
        self._note(released=True)


def publisher_of(
    config: TrainConfig,
    data: Dataset | PictureSet,
    test: Dataset | None,
    run: Path,
    threads: int | None,
    sizes: Sizes | None = None,
) -> Publisher:
    """What scores and publishes a run in this folder; arguments as of `Job`."""
    if isinstance(data, PictureSet):
        return UpscalerPublisher(config, data, threads)
    return GeneratorPublisher(config, data, Scoring(run / "scores", data, test or data, sizes))
