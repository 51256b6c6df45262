"""The pictures of a bundle, for people: samples, and what its latent directions do."""

import numpy as np
from PIL import Image

from mirage.bundle.latents import draw_latents
from mirage.bundle.manifest import Direction
from mirage.training.pixels import contact_sheet
from mirage.training.snapshot import Snapshot

GRID = 10
SEEDS = 3
AMOUNTS = np.arange(-3, 4, dtype=np.float32)
CELL = 128
"""Pixels of an image's longer side above which it is shown smaller, to keep files small."""


def sample_grid(snapshot: Snapshot) -> np.ndarray:
    """A 10 x 10 grid of seeds 0 … 99, a class per column: uint8 [H, W] or [H, W, C].

    Large images are shown smaller, by a whole factor.
    """
    latents = _latents(snapshot, GRID * GRID)
    labels = _labels(snapshot, np.arange(GRID * GRID) % GRID)
    return _sheet(snapshot.generate(latents, labels), GRID)


def direction_strips(snapshot: Snapshot, directions: tuple[Direction, ...]) -> np.ndarray:
    """A row per direction; seeds 0 … 2, each moved by -3 … 3, in columns: uint8 as a sample grid.

    Of a conditional model each seed shows another class.
    """
    amounts = np.tile(AMOUNTS, SEEDS)[:, None]
    seeds = np.repeat(np.arange(SEEDS), len(AMOUNTS))
    base, labels = _latents(snapshot, SEEDS)[seeds], _labels(snapshot, seeds)
    vectors = np.array([direction.vector for direction in directions], np.float32)
    rows = [snapshot.generate(base + amounts * vector, labels) for vector in vectors]
    return _sheet(np.concatenate(rows), len(amounts))


def _sheet(images: np.ndarray, columns: int) -> np.ndarray:
    sheet = contact_sheet(images, columns).squeeze()
    factor = -(-max(images.shape[1:3]) // CELL)
    return np.asarray(Image.fromarray(sheet).reduce(factor)) if factor > 1 else sheet


def _latents(snapshot: Snapshot, seeds: int) -> np.ndarray:
    latent_dim = snapshot.architecture.latent_dim
    return np.concatenate([draw_latents(seed, 0, 1, latent_dim)[0] for seed in range(seeds)])


def _labels(snapshot: Snapshot, classes: np.ndarray) -> np.ndarray | None:
    """int64 labels for images that should show these classes, as far as there are so many."""
    num_classes = snapshot.architecture.num_classes
    return classes.astype(np.int64) % num_classes if num_classes else None
