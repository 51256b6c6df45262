"""Decoded images with their class labels, optionally doubled by mirroring, and subsets of them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from mirage.training.media.images import Images
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens


class ImageView(ABC):
    """A read-only array uint8 [N, H, W, C] whose images are computed from stored images on access.

    The first index may be an integer, a slice, or an array of integers or booleans. Indexing
    returns a copy.
    """

    def __init__(self, stored: np.ndarray, count: int) -> None:
        self.stored = stored
        self.shape = (count, *stored.shape[1:])
        self.dtype = stored.dtype
        self.ndim = stored.ndim
        self.nbytes = count * stored[:1].nbytes

    @abstractmethod
    def _read(self, indices: np.ndarray) -> np.ndarray:
        """Copies of the images with these indices int64 [M]."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        images = self._read(self._indices(first))
        kept = 0 if np.ndim(first) == 0 and not isinstance(first, slice) else slice(None)
        return images[(kept, *rest)]

    def _indices(self, first: Any) -> np.ndarray:
        """Convert any supported index to non-negative image indices int64 [M]."""
        if isinstance(first, slice):
            return np.arange(*first.indices(len(self)))
        indices = np.atleast_1d(np.asarray(first))
        if indices.dtype == bool:
            return np.flatnonzero(indices)
        indices = np.where(indices < 0, indices + len(self), indices)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"index {first} is out of range for {len(self)} images")
        return indices.astype(np.int64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("these images are computed on access and cannot be shared uncopied")
        return self[:].astype(dtype or self.dtype, copy=False)


class MirroredImages(ImageView):
    """Stored images [N, H, W, C], then their mirror images: uint8 [2 N, H, W, C]."""

    def __init__(self, stored: np.ndarray) -> None:
        super().__init__(stored, 2 * len(stored))

    def _read(self, indices: np.ndarray) -> np.ndarray:
        images = np.array(self.stored[indices % len(self.stored)])
        mirrored = indices >= len(self.stored)
        images[mirrored] = images[mirrored, :, ::-1]
        return images


class SelectedImages(ImageView):
    """The stored images with the indices `selected`, int64 [M]: uint8 [M, H, W, C]."""

    def __init__(self, stored: np.ndarray, selected: np.ndarray) -> None:
        super().__init__(stored, len(selected))
        self._selected = selected

    def _read(self, indices: np.ndarray) -> np.ndarray:
        return np.array(self.stored[self._selected[indices]])


HASHED_BYTES = 64 << 20
"""Bytes of pixels per update of the hash; bounds the memory that hashing takes."""


@dataclass(frozen=True)
class Dataset:
    """Decoded samples with their class labels.

    images: stored samples, of images uint8 [N, H, W, C], memory-mapped. labels: int64 [N], or None
    without classes. classes: class names in the order of `number_classes`. fingerprint: sha256 of
    the fields above. options: how the pictures were read. broken: number of pictures that could not
    be read. left_out: their indices among all pictures. source: the absolute path or address of the
    data. notes: what was found in them and decided, as sentences for people. unmirrored: the data
    set before mirroring, or None if it is not mirrored; scores use it. groups: int64 [N], equal for
    related images, or None if nothing is known. recorded_medium: what the samples are; None for
    images, whose shape says all.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str
    options: DataOptions = field(default_factory=DataOptions)
    broken: int = 0
    left_out: tuple[int, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    unmirrored: "Dataset | None" = None
    groups: np.ndarray | None = None
    recorded_medium: Images | Sound | Tokens | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def medium(self) -> Images | Sound | Tokens:
        """What the samples are."""
        if self.recorded_medium is not None:
            return self.recorded_medium
        height, width, channels = self.images.shape[1:]
        return Images(height=height, width=width, channels=channels)

    @property
    def original(self) -> "Dataset":
        """The data set without mirror images."""
        return self.unmirrored or self

    def sheet(self) -> dict[str, Any]:
        """The description of the data that a run records, as JSON values."""
        return {
            "fingerprint": self.fingerprint,
            "images": len(self.original),
            "shape": list(self.images.shape[1:]),
            "classes": list(self.classes),
            "options": self.options.model_dump(mode="json"),
            "source": self.source,
            **self.medium.facts(),
        }


def without_classes(dataset: Dataset) -> Dataset:
    """The images without their classes; a note names a single class."""
    noun, only = dataset.medium.noun, dataset.classes[0]
    note = f"all {noun} are of one class, {only}, so the model has no classes"
    return replace(
        dataset,
        labels=None,
        classes=(),
        fingerprint=hashlib.sha256(f"{dataset.fingerprint} without classes".encode()).hexdigest(),
        notes=(*dataset.notes, *([note] if len(dataset.classes) == 1 else [])),
    )


def mirror(dataset: Dataset) -> Dataset:
    """Double a data set: image `N + i` is image `i` with left and right swapped.

    Mirror images are computed on access; nothing is written.
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


def subset(dataset: Dataset, selected: np.ndarray) -> Dataset:
    """The images with the indices `selected`, int64 [M], and all class names; copies no pixels."""
    digest = hashlib.sha256(f"subset of {dataset.fingerprint}".encode())
    digest.update(np.ascontiguousarray(selected).data)
    return replace(
        dataset,
        images=cast(np.ndarray, SelectedImages(dataset.images, selected)),
        labels=None if dataset.labels is None else dataset.labels[selected],
        groups=None if dataset.groups is None else dataset.groups[selected],
        fingerprint=digest.hexdigest(),
    )


def fingerprint(
    images: np.ndarray,
    labels: np.ndarray | None,
    classes: Sequence[str],
    facts: Mapping[str, Any] | None = None,
) -> str:
    """sha256 in hex over shape, samples, labels and class names, and the facts of the medium."""
    parts = (images.shape, list(classes), *([facts] if facts else []))
    digest = hashlib.sha256(repr(parts).encode())
    step = max(1, HASHED_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    if labels is not None:
        digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def check_enough(dataset: Dataset, batch_size: int) -> None:
    """Raise DataError if the data set has fewer images than one batch."""
    if len(dataset) < batch_size:
        smaller = f", or reduce the batch with --set batch_size={len(dataset)}"
        raise DataError(
            f"--data has {len(dataset)} {dataset.medium.noun}, fewer than one batch of "
            f"{batch_size}; add {dataset.medium.noun}{smaller if len(dataset) > 1 else ''}"
        )
