"""What retraining makes of a run of task `upscale`."""

from pathlib import Path

from PIL import Image

from mirage.bundle.format.manifest import Manifest, Score
from mirage.training.config import TrainConfig
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import DataError
from mirage.training.evaluation.picture_graph import single_pictures
from mirage.training.evaluation.restoration import (
    RestorationCard,
    comparison_sheet,
    restoration_file,
    score_restoration,
    write_card,
)
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.pictures.export import export_picture_network
from mirage.training.publish.pictures.publish import publish_pictures
from mirage.training.publish.pictures.scores import manifest_scores
from mirage.training.runs.checkpoint import load_picture_network

HELD_OUT = "held-out"


class UpscalerPublisher:
    """Scored on the pictures that were held out of the data, degraded as in training."""

    def __init__(self, config: TrainConfig, data: PictureSet, threads: int | None) -> None:
        self.config, self.data, self.threads = config, data, threads or 0

    def export(self, snapshot: Path) -> bytes:
        return export_picture_network(load_picture_network(snapshot))

    def evaluate(self, snapshot: Path, model: bytes) -> dict[str, Score]:
        card = self._card(model)
        file = restoration_file(snapshot, HELD_OUT)
        write_card(file, card)
        config, enlarge = self.config, single_pictures(model, self.threads)
        pictures = self.data.held_out
        sheet = comparison_sheet(enlarge, pictures, card.worst, config.scale, config.degrade)
        Image.fromarray(sheet.squeeze()).save(file.with_suffix(".png"))
        return manifest_scores(card)

    def score(self, model: bytes) -> dict[str, Score]:
        return manifest_scores(self._card(model))

    def _card(self, model: bytes) -> RestorationCard:
        config, data, enlarge = self.config, self.data, single_pictures(model, self.threads)
        return score_restoration(
            enlarge, data.held_out, config.scale, data.fingerprint, config.degrade
        )

    def check_kind(self, released: Manifest) -> None:
        scale, channels = self.config.enlargement, self.data.options.channels
        form = released.pictures
        made = (released.task, form and form.scale, released.inputs[0].shape[-1])
        if made != (self.config.task, scale, channels):
            raise DataError(
                f"the released {released.name}@{released.version} is of task {released.task} with "
                f"the tensors {released.tensors[0]} and {released.tensors[-1]}; the run is of task "
                f"{self.config.task}, {channels} channels and scale {scale}, and needs a name of "
                "its own"
            )

    def publish(
        self, snapshot: Path, model: bytes, scores: dict[str, Score], to: Path, card: ModelCard
    ) -> Path:
        data = self.data.sheet()
        return publish_pictures(load_picture_network(snapshot), self.config, data, to, card, model)
