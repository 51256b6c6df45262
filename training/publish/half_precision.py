"""Weights in half precision, which halve the largest file of a bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mirage.bundle.format.latents import draw_latents
from mirage.training.errors import ExportError
from mirage.training.evaluation.scores.sliced_wasserstein import over_white
from mirage.training.publish.bundle_contents import copy_weights
from mirage.training.runs.checkpoint import Snapshot, load_snapshot

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
    snapshot = load_snapshot(weights)
    if not half:
        yield snapshot
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / weights.name
        copy_weights(weights, copy, half=True)
        rounded = load_snapshot(copy)
        _check(snapshot, rounded)
        yield rounded


def _check(exact: Snapshot, rounded: Snapshot) -> None:
    difference = float(np.abs(_images(exact) - _images(rounded)).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"half precision changes an image by {difference:.1f} grey levels; at most "
            f"{TOLERANCE:g} is allowed, so nothing was published; export without --half-precision"
        )


def _images(snapshot: Snapshot) -> np.ndarray:
    """Seeds 0 … 99 over white, in grey levels: colours of transparent pixels do not count."""
    architecture = snapshot.architecture
    latents = [draw_latents(seed, 0, 1, architecture.latent_dim)[0] for seed in range(SEEDS)]
    classes = architecture.num_classes
    labels = np.arange(SEEDS, dtype=np.int64) % classes if classes else None
    images = snapshot.generate(np.concatenate(latents), labels)
    shown = images.repeat(3, axis=3) if images.shape[3] == 1 else images
    return 255 * over_white(shown).numpy()
