import tracemalloc

import numpy as np
import pytest

from mirage.training.data.flatness import BLOCK_BYTES, MOST, flat_share


def pictures(count: int = 2, channels: int = 3, colour: int = 90) -> np.ndarray:
    return np.full((count, 12, 10, channels), colour, np.uint8)


def test_one_colour_is_flat_and_noise_is_not() -> None:
    assert flat_share(pictures()) == 1
    noise = np.random.default_rng(0).integers(0, 256, (4, 12, 10, 3), np.uint8)
    assert flat_share(noise) == 0


def test_counts_neighbourhoods() -> None:
    images = pictures(1)
    images[0, :, 5:] = (200, 20, 20)  # two flat halves with an edge between them
    assert flat_share(images) == pytest.approx(6 / 8)


@pytest.mark.parametrize("colour", [0, 255])
def test_black_and_white_do_not_count(colour: int) -> None:
    assert flat_share(pictures(colour=colour)) == 0


def test_transparent_areas_do_not_count() -> None:
    images = pictures(1, channels=4, colour=255)
    images[..., :3] = 90
    assert flat_share(images) == 1
    images[..., 3] = 0
    assert flat_share(images) == 0


def test_looks_at_a_sample_of_many_images() -> None:
    images = pictures(2 * MOST)
    images[1::2] = np.random.default_rng(0).integers(0, 256, images[1::2].shape, np.uint8)
    assert flat_share(images) == 1


def test_images_smaller_than_a_neighbourhood_have_none() -> None:
    assert flat_share(np.full((1, 2, 9, 1), 90, np.uint8)) == 0


def test_large_images_take_little_memory() -> None:
    images = np.full((20, 512, 512, 3), 90, np.uint8)
    images[:, :, 256:] = (200, 20, 20)  # two flat halves, in many blocks of rows
    tracemalloc.start()
    try:
        share = flat_share(images)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert share == pytest.approx(508 / 510)
    assert peak < 5 * BLOCK_BYTES
