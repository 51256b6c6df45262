"""Decoded images with their classes, the same images mirrored as well, and parts of them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError


class ImageView(ABC):
    """uint8 [N, H, W, C] made of stored images as they are read; is indexed as a NumPy array is.

    The first index may be an integer, a slice, or an array of integers or booleans. What it
    answers is a copy in memory.
    """

    def __init__(self, stored: np.ndarray, count: int) -> None:
        self.stored = stored
        self.shape = (count, *stored.shape[1:])
        self.dtype = stored.dtype
        self.ndim = stored.ndim
        self.nbytes = count * stored[:1].nbytes

    @abstractmethod
    def _read(self, places: np.ndarray) -> np.ndarray:
        """The images at these places int64 [M]."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        images = self._read(self._places(first))
        kept = 0 if np.ndim(first) == 0 and not isinstance(first, slice) else slice(None)
        return images[(kept, *rest)]

    def _places(self, first: Any) -> np.ndarray:
        """The images that are meant, int64 [M], counted from the first."""
        if isinstance(first, slice):
            return np.arange(*first.indices(len(self)))
        places = np.atleast_1d(np.asarray(first))
        if places.dtype == bool:
            return np.flatnonzero(places)
        places = np.where(places < 0, places + len(self), places)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"there are {len(self)} images; {first} is outside of them")
        return places.astype(np.int64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("these images are made as they are read, so they are copies")
        return self[:].astype(dtype or self.dtype, copy=False)


class MirroredImages(ImageView):
    """uint8 [2 N, H, W, C] over stored images [N, H, W, C]: all of them, then all mirrored."""

    def __init__(self, stored: np.ndarray) -> None:
        super().__init__(stored, 2 * len(stored))

    def _read(self, places: np.ndarray) -> np.ndarray:
        images = np.array(self.stored[places % len(self.stored)])
        mirrored = places >= len(self.stored)
        images[mirrored] = images[mirrored, :, ::-1]
        return images


class ChosenImages(ImageView):
    """uint8 [M, H, W, C] over stored images [N, H, W, C]: those at `chosen`, int64 [M]."""

    def __init__(self, stored: np.ndarray, chosen: np.ndarray) -> None:
        super().__init__(stored, len(chosen))
        self._chosen = chosen

    def _read(self, places: np.ndarray) -> np.ndarray:
        return np.array(self.stored[self._chosen[places]])


HASHED_BYTES = 64 << 20


@dataclass(frozen=True)
class Dataset:
    """Decoded images, with the classes they belong to.

    images: uint8 [N, H, W, C], memory-mapped. labels: int64 [N], or None without classes.
    classes: class names in code-point order. fingerprint: sha256 of everything above.
    options: how the pictures were read. broken: how many could not be, and left_out their names.
    unmirrored: the data that were read, where these are twice as many; scores are taken on them.
    groups: int64 [N], equal for images that are kin; None where nothing tells.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str
    options: DataOptions = field(default_factory=DataOptions)
    broken: int = 0
    left_out: tuple[str, ...] = ()
    unmirrored: "Dataset | None" = None
    groups: np.ndarray | None = None

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
    labels, groups = dataset.labels, dataset.groups
    return replace(
        dataset,
        images=cast(np.ndarray, MirroredImages(dataset.images)),
        labels=None if labels is None else np.concatenate([labels, labels]),
        groups=None if groups is None else np.concatenate([groups, groups]),
        fingerprint=hashlib.sha256(f"{dataset.fingerprint} mirrored".encode()).hexdigest(),
        unmirrored=dataset,
    )


def part_of(dataset: Dataset, chosen: np.ndarray) -> Dataset:
    """The images at `chosen`, int64 [M], with all classes; nothing is copied until it is read."""
    digest = hashlib.sha256(f"part of {dataset.fingerprint}".encode())
    digest.update(np.ascontiguousarray(chosen).data)
    return replace(
        dataset,
        images=cast(np.ndarray, ChosenImages(dataset.images, chosen)),
        labels=None if dataset.labels is None else dataset.labels[chosen],
        groups=None if dataset.groups is None else dataset.groups[chosen],
        fingerprint=digest.hexdigest(),
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
