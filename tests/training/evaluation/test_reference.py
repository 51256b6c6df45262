from pathlib import Path

import numpy as np
import pytest

from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.evaluation.reference import load_reference, split
from tests.training.helpers.toys import SIZES, digit_features, digits_like


def test_the_split_is_deterministic_and_disjoint() -> None:
    parts = split(120, SIZES)
    assert len(parts.reference) == 80
    assert len(parts.held_out) == 40
    assert not set(parts.reference) & set(parts.held_out)
    np.testing.assert_array_equal(parts.reference, split(120, SIZES).reference)


def test_real_data_score_better_than_a_collapsed_generator(tmp_path: Path) -> None:
    real = load_reference(digit_features(), digits_like(), None, SIZES, tmp_path)
    assert real.floor["frechet"] < real.collapsed["frechet"]
    assert real.floor["coverage"] > real.collapsed["coverage"]
    assert real.floor["recall"] > real.collapsed["recall"] == 0
    assert 0 <= real.floor["agreement"] <= 1


def test_the_cache_returns_the_same_numbers(tmp_path: Path) -> None:
    network, data = digit_features(), digits_like()
    first = load_reference(network, data, None, SIZES, tmp_path)
    again = load_reference(network, data, None, SIZES, tmp_path)
    assert (again.floor, again.collapsed) == (first.floor, first.collapsed)
    np.testing.assert_array_equal(again.reference, first.reference)
    np.testing.assert_array_equal(again.unseen, first.unseen)
    assert len(list((tmp_path / "references").iterdir())) == 1


def test_unseen_images_are_the_test_split(tmp_path: Path) -> None:
    network, data = digit_features(), digits_like()
    own = load_reference(network, data, None, SIZES, tmp_path)
    tested = load_reference(network, data, digits_like(200), SIZES, tmp_path)
    assert own.floor["frechet"] == tested.floor["frechet"]
    assert not np.array_equal(own.unseen, tested.unseen)


def test_a_test_split_of_one_image_does_not_replace_the_unseen_images(tmp_path: Path) -> None:
    network, data = digit_features(), digits_like()
    own = load_reference(network, data, None, SIZES, tmp_path)
    tested = load_reference(network, data, digits_like(1), SIZES, tmp_path)
    np.testing.assert_array_equal(own.unseen, tested.unseen)
    assert tested.floor["memorised"] == own.floor["memorised"]
    assert tested.floor["agreement"] in (0, 1)


def test_real_images_in_the_place_of_generated_ones_score_near_the_floor(tmp_path: Path) -> None:
    network, data = digit_features(), digits_like()
    real = load_reference(network, data, None, SIZES, tmp_path)
    features, _ = network(data.images[split(120, SIZES).held_out])
    assert real.compare(features)["frechet"] == pytest.approx(real.floor["frechet"])


class Darkness:
    """Mean grey levels of the halves of an image, and class 0 for every image."""

    name = "mean grey levels"
    sha256 = "d" * 64

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        levels = images.reshape(len(images), 2, -1).mean(2).astype(np.float32)
        return levels, np.zeros(len(images), np.int64)


def two_greys(order: np.ndarray) -> Dataset:
    """120 images of two classes, dark and bright, in this order."""
    labels = (np.arange(120) // 60)[order]
    images = np.random.default_rng(0).integers(0, 60, (120, 4, 4, 1))[order].astype(np.uint8)
    images += (labels * 180).astype(np.uint8)[:, None, None, None]
    return Dataset(images, labels, ("dark", "bright"), fingerprint(images, labels, ()))


def test_the_order_of_the_test_split_does_not_decide_its_classes(tmp_path: Path) -> None:
    shuffled = two_greys(np.random.default_rng(1).permutation(120))
    for test in (two_greys(np.arange(120)), shuffled):  # a folder is read class by class
        real = load_reference(Darkness(), shuffled, test, SIZES, tmp_path)
        assert real.floor["agreement"] == pytest.approx(0.5, abs=0.15)
