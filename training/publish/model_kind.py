"""The kind of a model: what its clients rely on, and so all versions of one name share."""

from dataclasses import dataclass
from typing import Any

from mirage.bundle.format.manifest import Description, Manifest
from mirage.training.config import TrainConfig
from mirage.training.errors import DataError
from mirage.training.media.images import Images
from mirage.training.media.reading import medium_of, medium_of_bundle
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens


@dataclass(frozen=True)
class ModelKind:
    """Task of a model; medium and classes of a generator, or channels and scale of others."""

    task: str
    medium: Images | Sound | Tokens | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        if self.medium is None:
            return f"{self.channels} channels and scale {self.scale}"
        classes = f"classes {', '.join(self.classes):.60}" if self.classes else "no classes"
        return f"{self.medium.noun} of {self.medium.form} and {classes}"


def kind_of_data(config: TrainConfig, data: dict[str, Any]) -> ModelKind:
    """The kind of a run's model; data: the run's data sheet."""
    if config.task != "generate":
        channels = data["options"]["channels"]
        return ModelKind(config.task, channels=channels, scale=config.enlargement)
    return ModelKind(config.task, medium_of(data), tuple(data["classes"]))


def kind_of_bundle(description: Description) -> ModelKind:
    """The kind of a published model."""
    if description.pictures is not None:
        channels = description.inputs[0].sizes[3]
        return ModelKind(description.task, channels=channels, scale=description.pictures.scale)
    return ModelKind(description.task, medium_of_bundle(description), description.labels)


def check_kind(released: Manifest, kind: ModelKind, hint: str = "") -> None:
    """Raise DataError if a released version is of another kind.

    hint: how to publish it nevertheless.
    """
    current = kind_of_bundle(released)
    if current != kind:
        made = "makes" if current.task == kind.task else f"is of task {current.task} and makes"
        raise DataError(
            f"the released {released.name}@{released.version} {made} {current} and the data are "
            f"{kind}; such a model needs a name of its own{hint}"
        )
