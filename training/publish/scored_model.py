"""What is scored: a run's newest snapshot or a bundle, as one exported graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirage.bundle.format.manifest import Score
from mirage.bundle.format.verify import load_bundle
from mirage.training.errors import DataError
from mirage.training.evaluation.scorecard import Scorecard, known_scorecard, scores_file
from mirage.training.media.images import Images
from mirage.training.media.reading import medium_of, medium_of_bundle
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.run_dir import Run


@dataclass(frozen=True)
class ScoredModel:
    """A model with its name, and what is known of it.

    graph: the ONNX model. medium: what it makes. image: the shape of one sample. scores_file: where
    its scorecard belongs; None for a bundle, which is never changed. scores: as recorded; empty
    when it was never evaluated. data_options: how a run's data were read (`DataOptions`); a bundle
    does not tell.
    """

    name: str
    graph: bytes
    classes: tuple[str, ...]
    medium: Images | Sound | Tokens
    image: tuple[int, ...]
    data_fingerprint: str
    kimg: float
    preset: str
    scores_file: Path | None
    scores: dict[str, Score]
    card: Scorecard | None
    data_options: dict[str, Any] = field(default_factory=dict)


def open_scored_model(path: Path) -> ScoredModel:
    """Read a bundle (its checks come first) or a run; raises BundleError or DataError."""
    return _open_bundle(path) if (path / "manifest.json").exists() else _open_run(Run(path))


def _open_bundle(path: Path) -> ScoredModel:
    bundle = load_bundle(path)
    manifest = bundle.manifest
    if manifest.pictures:
        raise DataError(f"{path} is of task {manifest.task}; only generators are compared so")
    return ScoredModel(
        name=f"{manifest.name}@{manifest.version}",
        graph=bundle.model,
        classes=manifest.labels,
        medium=medium_of_bundle(manifest),
        image=tuple(size or 0 for size in manifest.outputs[0].sizes[1:]),
        data_fingerprint=manifest.training.data_fingerprint,
        kimg=manifest.training.kimg,
        preset=manifest.training.preset,
        scores_file=None,
        scores=manifest.scores,
        card=None,
    )


def _open_run(run: Run) -> ScoredModel:
    config, data = run.read_config()
    path = run.latest_snapshot()
    snapshot = load_snapshot(path)
    card = known_scorecard(scores_file(path))
    return ScoredModel(
        name=run.path.resolve().name,
        graph=export_onnx(snapshot),
        classes=tuple(data["classes"]),
        medium=medium_of(data),
        image=tuple(data["shape"]),
        data_fingerprint=data["fingerprint"],
        kimg=snapshot.nimg / 1000,
        preset=config.preset,
        scores_file=scores_file(path),
        scores=card.scores if card else {},
        card=card,
        data_options=data.get("options", {}),
    )
