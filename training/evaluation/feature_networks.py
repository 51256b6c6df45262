"""Feature networks for scores: one per data set, cached.

Scores are only comparable for the same network and data; both are recorded with every score.
TorchScript files, such as an Inception network, can be used too.
"""

import hashlib
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mirage.bundle.store.durable import replace_durably
from mirage.training.cache_folder import default_cache
from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.classifier import (
    SHA256,
    Classifier,
    classify,
    fit,
    input_side,
    load_digit_classifier,
    save_classifier,
)
from mirage.training.evaluation.progress import progress_bar
from mirage.training.evaluation.scorecard import Sizes

MNIST = "01aca49e52d1910d4e2ce2537fe1146546dec5bd99af91d95f1729620d498d3f"
"""Fingerprint of the 60,000 training digits, for which the shipped classifier is used."""
SEED = 0


class FeatureNetwork(Protocol):
    """Maps images to features; `sha256` identifies the network."""

    @property
    def name(self) -> str:
        """A short description."""

    @property
    def sha256(self) -> str:
        """The hash of its weights."""

    def __call__(self, images: np.ndarray, /) -> tuple[np.ndarray, np.ndarray | None]:
        """Map uint8 [N, H, W, C] to features float32 [N, D]; and classes int64 [N], or None."""


@dataclass(frozen=True)
class ClassifierFeatures:
    """A classifier's penultimate layer; returns classes if they are those of the data."""

    name: str
    sha256: str
    network: Classifier
    classes: bool

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        features, predicted = classify(self.network, images)
        return features, predicted if self.classes else None


def features_for(
    train: Dataset, shown: np.ndarray, sizes: Sizes, cache: Path | None = None
) -> FeatureNetwork:
    """The feature network of a data set.

    The shipped classifier for MNIST with its labels; otherwise a classifier of the data's labels,
    or, without labels, of the orientation of images. It is trained once on the images `shown`
    (indices int64), so that the others are unseen.
    """
    if train.fingerprint == MNIST and train.labels is not None:
        return ClassifierFeatures(
            "the classifier of digits", SHA256, load_digit_classifier(), classes=True
        )
    labels = None if train.labels is None else train.labels[shown]
    task = "orientations" if labels is None else "classes"
    folder = (cache or default_cache()) / "features"
    key = f"{train.fingerprint[:32]}-{task}-{sizes.fit_images}-{len(shown)}"
    path = _cached(folder, key) or _make(folder, key, train.images[shown], labels, sizes)
    return ClassifierFeatures(
        name=f"a network trained to tell the data's {task} apart",
        sha256=_hash(path),
        network=_read(path, train.images),
        classes=labels is not None,
    )


def _cached(folder: Path, key: str) -> Path | None:
    """Load the cached network of a key; its file name has the hash of its content."""
    found = sorted(folder.glob(f"{key}.*.safetensors"))
    return next((path for path in found if path.suffixes[0] == f".{_hash(path)}"), None)


def _make(
    folder: Path, key: str, images: np.ndarray, labels: np.ndarray | None, sizes: Sizes
) -> Path:
    """Train the network, and write it to a file named by the hash of its content."""
    network = fit(images, labels, max(1, round(sizes.fit_images / len(images))), SEED)
    folder.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".making-", dir=folder)
    os.close(handle)
    try:
        sha256 = save_classifier(network, Path(draft))
        path = folder / f"{key}.{sha256}.safetensors"
        replace_durably(Path(draft), path)
        return path
    finally:
        Path(draft).unlink(missing_ok=True)


def _read(path: Path, images: np.ndarray) -> Classifier:
    weights = load_file(path)
    network = Classifier(input_side(images), images.shape[3], len(weights["head.bias"]))
    network.load_state_dict(weights)
    return network.eval()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


BATCH = 64


class ScriptFeatures:
    """A TorchScript module that maps uint8 [N, 3, H, W] to features float [N, D].

    Modules with an argument `return_features` (such as NVIDIA's file of Inception v3) are called
    with it. Grey images are repeated to three channels; alpha is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Load the file; raises DataError if it is not TorchScript."""
        self.name = f"the network in {path.name}"
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers other formats
                self._network = torch.jit.load(str(path), map_location=self._device).eval()
        except (OSError, RuntimeError) as error:
            raise DataError(f"--inception is {path}; no TorchScript can be read there") from error
        arguments = self._network.forward.schema.arguments
        known = any(argument.name == "return_features" for argument in arguments)
        self._options = {"return_features": True} if known else {}

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """Map uint8 [N, H, W, C] to features float32 [N, D], and None for classes."""
        features = []
        with progress_bar(len(images), self.name, "images") as bar:
            for start in range(0, len(images), BATCH):
                pixels = _rgb(images[start : start + BATCH]).to(self._device)
                features.append(self._network(pixels, **self._options).float().cpu().numpy())
                bar.update(len(pixels))
        return np.concatenate(features), None


def _rgb(images: np.ndarray) -> Tensor:
    colours = images[..., :3] if images.shape[3] > 1 else images.repeat(3, axis=3)
    return torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2)))
