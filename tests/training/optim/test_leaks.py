"""Augmentations do not leak: the borders of generated images are those of real ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.bundle.format.latents import draw_latents
from mirage.training.config import build_config
from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.media.pixels import to_float
from mirage.training.optim.augment import MOST, augment, columns
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.loop import train
from tests.training.helpers.datasets import TINY

SIDE, LATENTS = 8, 8
BORDER = np.ones((SIDE, SIDE), bool)
BORDER[1:-1, 1:-1] = False
SETTINGS = {
    **TINY,
    "kimg": 1.6,
    "batch_size": 16,
    "latent_dim": LATENTS,
    "mismatch": 0,
    "gamma": 0.5,
    "lr": 2e-3,
    "ema_half_life_kimg": 0.2,
    "warm_start_kimg": 0.8,
    "warm_start_lr": 1e-2,
    "clamp_slope": 0.02,
    "augment_probability": MOST,
    "watch.off": True,
}
"""Reconstruct until the borders are right, then train with as much augmentation as there may be."""


def squares_on_white() -> Dataset:
    rng = np.random.default_rng(0)
    images = np.full((96, SIDE, SIDE, 1), 255, np.uint8)
    for image in images:
        top, left = rng.integers(1, 4, 2)
        image[top : top + 4, left : left + 4] = rng.integers(0, 200)
    return Dataset(images, None, (), fingerprint(images, None, ()))


@pytest.mark.parametrize(
    "names", [("translate", "cutout-white"), ("translate", "zoom", "cutout")], ids=str
)
def test_the_average_border_of_generated_images_is_that_of_real_ones(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    data = squares_on_white()
    config = build_config("mnist", {**SETTINGS, "augment": list(names)})
    run = train(config, data, tmp_path / "run", threads=1)
    images = load_snapshot(run.latest_snapshot()).generate(
        draw_latents(0, 0, 256, LATENTS)[0], None
    )
    real = data.images[:, BORDER].mean()
    assert abs(images[:, BORDER].mean() - real) < 8
    assert abs(images[:, ~BORDER].mean() - data.images[:, ~BORDER].mean()) < 20


def test_grey_cutout_changes_the_average_border_that_the_discriminator_sees() -> None:
    """So the test above would notice a leak."""
    real = to_float(squares_on_white().images)
    names = ("translate", "cutout")
    random = torch.rand(len(real), columns(names), generator=torch.Generator().manual_seed(0))
    seen = augment(real, names, MOST, random)[:, 0, BORDER].mean()
    assert 127.5 * (real[:, 0, BORDER].mean() - seen) > 12
