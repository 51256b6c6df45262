"""How many images may wait for one version."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from service.errors import QueueFull
from service.metrics import Metrics
from service.served import Served, prepare
from service.settings import Settings
from service.work import Work
from tests.bundles import make_bundle

PIXELS = 8 * 12  # of a toy image


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"queue_images": 5}, 5),
        ({"queue_megapixels": 7.5 * PIXELS / 1e6}, 7),
        ({"queue_images": 3, "queue_megapixels": 7 * PIXELS / 1e6}, 3),
        ({"queue_megapixels": PIXELS / 2e6}, 1),
    ],
    ids=["images", "pixels", "the smaller", "never none"],
)
def test_the_queue_is_bounded_in_images_and_in_pixels(
    tmp_path: Path, changes: dict[str, float], allowed: int
) -> None:
    limits = {"megapixels_per_request": 1e-9, **changes}
    assert longest_queue(tmp_path, limits) == allowed


def test_the_largest_request_fits_into_the_queue(tmp_path: Path) -> None:
    limits = {
        "queue_megapixels": 2 * PIXELS / 1e6,
        "megapixels_per_request": 9.5 * PIXELS / 1e6,
    }
    assert longest_queue(tmp_path, limits) == 9


def longest_queue(root: Path, limits: dict[str, float]) -> int:
    """The most images that an idle version takes at once."""
    settings = Settings(models=root, threads=1).model_copy(update=limits)
    prepared = prepare(make_bundle(root, "toy", labels=()), settings)

    async def try_all() -> int:
        served = Served(prepared, settings, Metrics())
        taken = 0
        try:
            while taken < 100:
                latents = np.zeros((taken + 1, prepared.manifest.latent_dim), np.float32)
                await served.generate(Work(latents, None, 0, 0), time.monotonic() + 60)
                taken += 1
        except QueueFull:
            return taken
        finally:
            await served.close()
        return taken

    return asyncio.run(try_all())
