import numpy as np
import pytest

from mirage.training.yardstick import Yardstick
from tests.training.data import shapes


def test_real_images_measure_as_much_variety_as_themselves() -> None:
    images, labels = shapes(200)
    measured = Yardstick(images, labels, labels).measure(images)
    assert measured == pytest.approx({"spread": 1.0, "entropy": 1.0})


@pytest.mark.parametrize("labelled", [True, False])
def test_one_image_again_and_again_measures_none(labelled: bool) -> None:
    images, labels = shapes(200)
    given = labels if labelled else None
    repeated = np.repeat(images[:1], 100, axis=0)
    requested = labels[:100] if labelled else None
    measured = Yardstick(images, given, requested).measure(repeated)
    assert measured == pytest.approx({"spread": 0.0, "entropy": 0.0})


def test_one_image_for_each_class_has_kinds_but_no_spread() -> None:
    images, labels = shapes(200)
    measured = Yardstick(images, labels, labels[:100]).measure(images[np.arange(100) % 2])
    assert measured["spread"] == 0
    assert measured["entropy"] > 0.9


@pytest.mark.parametrize("labelled", [True, False])
def test_pale_images_are_no_single_kind(labelled: bool) -> None:
    images, labels = shapes(200)
    mean = images.mean(0)
    pale = (mean + (images - mean) / 3).astype(np.uint8)
    given = labels if labelled else None
    measured = Yardstick(images, given, given).measure(pale)
    assert measured["entropy"] > 0.5
    assert measured["spread"] == pytest.approx(1 / 3, abs=0.02)


def test_only_the_classes_that_were_asked_for_are_compared() -> None:
    images, _ = shapes(200, channels=3)
    many = np.arange(200, dtype=np.int64) % 50
    asked = np.arange(100) % 10
    samples = np.concatenate([images[many == label][:1] for label in asked])
    assert Yardstick(images, many, asked).measure(samples)["entropy"] > 0.7


def test_what_real_images_have_none_of_is_left_out() -> None:
    images = np.full((50, 8, 8, 1), 7, np.uint8)
    assert Yardstick(images, None, None).measure(images) == {}


def test_one_class_is_compared_by_its_images() -> None:
    images, _ = shapes(200)
    labels = np.zeros(200, np.int64)
    measured = Yardstick(images, labels, labels[:100]).measure(images[:100])
    assert measured["entropy"] > 0.8
