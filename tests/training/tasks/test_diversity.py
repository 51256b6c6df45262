import tracemalloc

import numpy as np
import pytest

from mirage.training.tasks.diversity import BLOCK_BYTES, MAX_SIDE, DiversityMonitor, shrink
from tests.training.helpers.datasets import shapes


def test_real_images_have_diversity_one() -> None:
    images, labels = shapes(200)
    measured = DiversityMonitor(images, labels, labels).measure(images)
    assert measured == pytest.approx({"spread": 1.0, "entropy": 1.0})


@pytest.mark.parametrize("labelled", [True, False])
def test_one_repeated_image_has_no_diversity(labelled: bool) -> None:
    images, labels = shapes(200)
    given = labels if labelled else None
    repeated = np.repeat(images[:1], 100, axis=0)
    requested = labels[:100] if labelled else None
    measured = DiversityMonitor(images, given, requested).measure(repeated)
    assert measured == pytest.approx({"spread": 0.0, "entropy": 0.0})


def test_one_image_per_class_has_entropy_but_no_spread() -> None:
    images, labels = shapes(200)
    measured = DiversityMonitor(images, labels, labels[:100]).measure(images[np.arange(100) % 2])
    assert measured["spread"] == 0
    assert measured["entropy"] > 0.9


@pytest.mark.parametrize("labelled", [True, False])
def test_low_contrast_images_belong_to_several_clusters(labelled: bool) -> None:
    images, labels = shapes(200)
    mean = images.mean(0)
    pale = (mean + (images - mean) / 3).astype(np.uint8)
    given = labels if labelled else None
    measured = DiversityMonitor(images, given, given).measure(pale)
    assert measured["entropy"] > 0.5
    assert measured["spread"] == pytest.approx(1 / 3, abs=0.02)


def test_compares_only_requested_classes() -> None:
    images, _ = shapes(200, channels=3)
    many = np.arange(200, dtype=np.int64) % 50
    asked = np.arange(100) % 10
    samples = np.concatenate([images[many == label][:1] for label in asked])
    assert DiversityMonitor(images, many, asked).measure(samples)["entropy"] > 0.7


def test_nothing_is_measured_without_images_of_the_requested_classes() -> None:
    images, labels = shapes(200)
    assert DiversityMonitor(images, labels + 10, np.arange(100) % 10).measure(images) == {}


def test_omits_statistics_without_real_variation() -> None:
    images = np.full((50, 8, 8, 1), 7, np.uint8)
    assert DiversityMonitor(images, None, None).measure(images) == {}


def test_one_class_is_compared_by_its_images() -> None:
    images, _ = shapes(200)
    labels = np.zeros(200, np.int64)
    measured = DiversityMonitor(images, labels, labels[:100]).measure(images[:100])
    assert measured["entropy"] > 0.8


def test_large_images_are_measured_like_small_ones() -> None:
    images, labels = shapes(200)
    large = images.repeat(13, axis=1).repeat(13, axis=2)
    measured = DiversityMonitor(large, labels, labels[:100]).measure(large[:100])
    expected = DiversityMonitor(images, labels, labels[:100]).measure(images[:100])
    assert measured == pytest.approx(expected, rel=0.1)


def test_shrinking_averages_areas() -> None:
    images = np.arange(3 * 64 * 48, dtype=np.uint8).reshape(3, 64, 48, 1)
    small = shrink(images, np.array([2, 0]))
    assert small.shape == (2, MAX_SIDE, MAX_SIDE, 1)
    assert small[0, 0, 1, 0] == pytest.approx(images[2, :2, 1:3].mean())
    assert small[1, -1, -1, 0] == pytest.approx(images[0, -2:, -2:].mean())


def test_memory_does_not_grow_with_the_resolution() -> None:
    """500 images of 4 MB: 2 GB as bytes, 8 GB as float32."""
    images = np.broadcast_to(np.uint8(7), (500, 1024, 1024, 4))
    tracemalloc.start()
    try:
        DiversityMonitor(shrink(images, np.arange(500)), None, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * BLOCK_BYTES
