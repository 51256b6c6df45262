"""Decoded images with the classes that they belong to, and how they are told from others."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from mirage.training.dataset.mirror import MirroredImages
from mirage.training.dataset.options import DataOptions
from mirage.training.errors import DataError

HASHED_BYTES = 64 << 20


@dataclass(frozen=True)
class Dataset:
    """Decoded images, with the classes they belong to.

    images: uint8 [N, H, W, C], memory-mapped. labels: int64 [N], or None without classes.
    classes: class names in code-point order. fingerprint: sha256 of everything above.
    options: how the pictures were read. broken: how many could not be. unmirrored: the data that
    were read, where these are twice as many; scores are taken on them.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str
    options: DataOptions = field(default_factory=DataOptions)
    broken: int = 0
    unmirrored: "Dataset | None" = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def original(self) -> "Dataset":
        """The images as they were read, each once."""
        return self.unmirrored or self

    def sheet(self) -> dict[str, Any]:
        """What a run records of its data."""
        return {
            "fingerprint": self.fingerprint,
            "images": len(self.original),
            "shape": list(self.images.shape[1:]),
            "classes": list(self.classes),
            "options": self.options.model_dump(mode="json"),
        }


def mirror(dataset: Dataset) -> Dataset:
    """The same images twice: image `i` of the second half is image `i - N`, left and right swapped.

    The copies are made as they are read; nothing is written.
    """
    labels = dataset.labels
    return replace(
        dataset,
        images=cast(np.ndarray, MirroredImages(dataset.images)),
        labels=None if labels is None else np.concatenate([labels, labels]),
        fingerprint=hashlib.sha256(f"{dataset.fingerprint} mirrored".encode()).hexdigest(),
        unmirrored=dataset,
    )


def fingerprint(images: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> str:
    """sha256 over shape, pixels, labels and class names: what the networks will see."""
    digest = hashlib.sha256(repr((images.shape, list(classes))).encode())
    step = max(1, HASHED_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    if labels is not None:
        digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def check_enough(dataset: Dataset, batch_size: int) -> None:
    """Raise DataError when a batch would show the same image twice."""
    if len(dataset) < batch_size:
        raise DataError(
            f"--data holds {len(dataset)} images, fewer than one batch of {batch_size}; "
            f"add images, or make the batch smaller with --set batch_size={max(2, len(dataset))}"
        )
