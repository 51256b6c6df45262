"""Weights in half precision, which halve the largest file of a bundle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.outputs import OUTPUTS
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

    The generator computes in float32 with the rounded weights, so graph, golden samples and weights
    of its bundle agree. Raises DataError, and ExportError if rounding changes an image by more than
    `TOLERANCE`, or sounds or sequences by more than engines of reduced precision may.
    """
    with _opened(weights, half, load_snapshot, _check_samples) as snapshot:
        yield snapshot


@contextmanager
def open_picture_network(weights: Path, half: bool) -> Iterator[PictureSnapshot]:
    """Like `open_snapshot`, for a network that takes pictures; its golden pictures are compared."""
    with _opened(weights, half, load_picture_network, _check_golden) as snapshot:
        yield snapshot


@contextmanager
def _opened(
    weights: Path, half: bool, load: Callable[[Path], S], check: Callable[[S, S], None]
) -> Iterator[S]:
    snapshot = load(weights)
    if not half:
        yield snapshot
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / weights.name
        copy_weights(weights, copy, half=True)
        rounded = load(copy)
        check(snapshot, rounded)
        yield rounded


def _check_samples(exact: Snapshot, rounded: Snapshot) -> None:
    meaning = exact.architecture.medium.meaning
    if meaning == "images":
        _check_images(_over_white(exact), _over_white(rounded))
        return
    output = OUTPUTS[meaning]
    differences = output.differences(_samples(rounded), _samples(exact))
    largest, mean = output.allowed(output.tolerance, reduced=True)
    if not (differences.max() <= largest and differences.mean() <= mean):
        raise ExportError(
            f"half precision changes samples by up to {differences.max():g} and on average "
            f"{differences.mean():.3g} {output.unit}; at most {largest:g} and {mean:g} are allowed,"
            " so nothing was published; export without --half-precision"
        )


def _check_golden(exact: PictureSnapshot, rounded: PictureSnapshot) -> None:
    _check_images(_golden_images(exact), _golden_images(rounded))


def _check_images(exact: np.ndarray, rounded: np.ndarray) -> None:
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


def _over_white(snapshot: Snapshot) -> np.ndarray:
    """Images over white, in grey levels: colours of transparent pixels do not count."""
    images = _samples(snapshot)
    shown = images.repeat(3, axis=3) if images.shape[3] == 1 else images
    return 255 * over_white(shown).numpy()


def _samples(snapshot: Snapshot) -> np.ndarray:
    """Seeds 0 … 99, in the classes' turn."""
    architecture = snapshot.architecture
    latents = [draw_latents(seed, 0, 1, architecture.latent_dim)[0] for seed in range(SEEDS)]
    classes = architecture.num_classes
    labels = np.arange(SEEDS, dtype=np.int64) % classes if classes else None
    return snapshot.generate(np.concatenate(latents), labels)
