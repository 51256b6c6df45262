"""Collapse in its plainest form: a generator that makes one image, whatever its latents."""

import numpy as np

from mirage.bundle.latents import draw_latents
from mirage.training.errors import CollapseError
from mirage.training.snapshot import Snapshot
from mirage.training.tasks.generate import generate

IMAGES = 64
LEAST_SPREAD = 1.0
"""Grey levels; below it no pixel tells two images of a class apart."""


def check_spread(snapshot: Snapshot) -> float:
    """The largest standard deviation of a pixel, in grey levels, over 64 images of one class.

    Raises CollapseError below one grey level. Weights that are no numbers end there too; finer
    kinds of collapse are the scores' to see.
    """
    architecture = snapshot.architecture
    latents, _ = draw_latents(0, 0, IMAGES, architecture.latent_dim)
    labels = np.zeros(IMAGES, np.int64) if architecture.num_classes else None
    images = generate(snapshot.generator, latents, labels)
    spread = float(images.std(axis=0, dtype=np.float64).max())
    if spread < LEAST_SPREAD:
        raise CollapseError(
            f"{snapshot.path.name} makes the same image whatever its latents: no pixel varies by "
            f"more than {spread:.2g} grey levels, at least {LEAST_SPREAD:g} is allowed"
        )
    return spread
