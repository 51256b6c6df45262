"""Weights in half precision, which halve the largest file of a bundle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from mirage.bundle.format.latents import draw_latents
from mirage.training.errors import ExportError
from mirage.training.evaluation.scores.sliced_wasserstein import over_white
from mirage.training.publish.bundle_contents import copy_weights
from mirage.training.publish.pictures.export import make_golden
from mirage.training.runs.checkpoint import (
    PictureSnapshot,
    Snapshot,
    load_picture_network,
    load_snapshot,
)

S = TypeVar("S", Snapshot, PictureSnapshot)

TOLERANCE = 2.0
"""Grey levels over white by which rounding may change an image. Measured with 2,000 images of the
preset `avatars`: 2 at most, and 1.05 or less in all but 76 of a million values."""
SEEDS = 100


@contextmanager
def open_snapshot(weights: Path, half: bool) -> Iterator[Snapshot]:
    """Load a snapshot from a file by `save_weights`; with `half`, from a temporary rounded copy.

    The generator computes in float32 with the rounded weights, so graph, golden images and weights
    of its bundle agree. Raises DataError, and ExportError if rounding changes an image by more than
    `TOLERANCE`.
    """
    with _opened(weights, half, load_snapshot, _images) as snapshot:
        yield snapshot


@contextmanager
def open_picture_network(weights: Path, half: bool) -> Iterator[PictureSnapshot]:
    """Like `open_snapshot`, for a network that takes pictures; its golden pictures are compared."""
    with _opened(weights, half, load_picture_network, _golden_images) as snapshot:
        yield snapshot


@contextmanager
def _opened(
    weights: Path, half: bool, load: Callable[[Path], S], images: Callable[[S], np.ndarray]
) -> Iterator[S]:
    snapshot = load(weights)
    if not half:
        yield snapshot
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / weights.name
        copy_weights(weights, copy, half=True)
        rounded = load(copy)
        _check(images(snapshot), images(rounded))
        yield rounded


def _check(exact: np.ndarray, rounded: np.ndarray) -> None:
    difference = float(np.abs(exact - rounded).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"half precision changes an image by {difference:.1f} grey levels; at most "
            f"{TOLERANCE:g} is allowed, so nothing was published; export without --half-precision"
        )


def _golden_images(snapshot: PictureSnapshot) -> np.ndarray:
    """All values of the golden images, in grey levels."""
    cases = make_golden(snapshot).cases
    return np.concatenate([case.output.ravel() for case in cases]).astype(float)


def _images(snapshot: Snapshot) -> np.ndarray:
    """Seeds 0 … 99 over white, in grey levels: colours of transparent pixels do not count."""
    architecture = snapshot.architecture
    latents = [draw_latents(seed, 0, 1, architecture.latent_dim)[0] for seed in range(SEEDS)]
    classes = architecture.num_classes
    labels = np.arange(SEEDS, dtype=np.int64) % classes if classes else None
    images = snapshot.generate(np.concatenate(latents), labels)
    if images.ndim != 4:
        raise ExportError(
            "half precision is checked by the grey levels of images, and the model makes none; "
            "export without --half-precision"
        )
    shown = images.repeat(3, axis=3) if images.shape[3] == 1 else images
    return 255 * over_white(shown).numpy()
