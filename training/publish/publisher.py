"""What retraining makes of a run: a graph, its scores, and a version; one kind for each task."""

from pathlib import Path
from typing import Protocol

from mirage.bundle.format.manifest import Manifest, Score
from mirage.training.config import TrainConfig
from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.evaluate import Scoring
from mirage.training.evaluation.scorecard import known_scorecard, scores_file, write_scorecard
from mirage.training.publish.export import export_onnx, publish
from mirage.training.publish.gate import check_spread
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.model_kind import check_kind, kind_of_data
from mirage.training.runs.checkpoint import load_snapshot


class Publisher(Protocol):
    """Snapshots are files of a run; a graph is the ONNX file that was exported of one."""

    def export(self, snapshot: Path) -> bytes:
        """The graph of a snapshot."""

    def evaluate(self, snapshot: Path, model: bytes) -> dict[str, Score]:
        """The scores of a snapshot by its graph, kept beside it; raises CollapseError."""

    def score(self, model: bytes) -> dict[str, Score]:
        """The scores of any graph on the same data."""

    def check_kind(self, released: Manifest) -> None:
        """Raise DataError for a released version that such a graph cannot stand in for."""

    def publish(
        self, snapshot: Path, model: bytes, scores: dict[str, Score], to: Path, card: ModelCard
    ) -> Path:
        """Publish a snapshot with its graph as the next version; answers its folder."""


class GeneratorPublisher:
    """Of task `generate`, scored by `scoring`."""

    def __init__(self, config: TrainConfig, data: Dataset, scoring: Scoring) -> None:
        self.config, self.data, self.scoring = config, data, scoring

    def export(self, snapshot: Path) -> bytes:
        return export_onnx(load_snapshot(snapshot))

    def evaluate(self, snapshot: Path, model: bytes) -> dict[str, Score]:
        check_spread(load_snapshot(snapshot))
        card = self.scoring.score(model)
        kept = scores_file(snapshot)
        if not known_scorecard(kept):  # `evaluate` may know more
            write_scorecard(kept, card)
        return card.scores

    def score(self, model: bytes) -> dict[str, Score]:
        return self.scoring.score(model).scores

    def check_kind(self, released: Manifest) -> None:
        check_kind(released, kind_of_data(self.config, self.data.sheet()))

    def publish(
        self, snapshot: Path, model: bytes, scores: dict[str, Score], to: Path, card: ModelCard
    ) -> Path:
        data = self.data.sheet()
        return publish(load_snapshot(snapshot), self.config, data, to, scores, card, model)
