"""The kind of a model: what its clients rely on, and so all versions of one name share."""

from dataclasses import dataclass
from typing import Any

from mirage.bundle.format.manifest import Description, Manifest
from mirage.training.config import TrainConfig
from mirage.training.errors import DataError


@dataclass(frozen=True)
class ModelKind:
    """Task and channels of a model; shape (height, width) and classes, or the scale."""

    task: str
    channels: int
    shape: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()
    scale: int | None = None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.channels} channels and scale {self.scale}"
        height, width = self.shape
        classes = f"classes {', '.join(self.classes):.60}" if self.classes else "no classes"
        return f"{width}x{height} with {self.channels} channels and {classes}"


def kind_of_data(config: TrainConfig, data: dict[str, Any]) -> ModelKind:
    """The kind of a run's model; data: the run's data sheet."""
    if config.task != "generate":
        return ModelKind(config.task, data["options"]["channels"], scale=config.enlargement)
    height, width, channels = data["shape"]
    return ModelKind(config.task, channels, (height, width), tuple(data["classes"]))


def kind_of_bundle(description: Description) -> ModelKind:
    """The kind of a published model."""
    if description.pictures is not None:
        channels = description.inputs[0].shape[-1]
        return ModelKind(description.task, int(channels), scale=description.pictures.scale)
    image = description.image
    shape = (image.height, image.width)
    return ModelKind(description.task, image.channels, shape, description.labels)


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
