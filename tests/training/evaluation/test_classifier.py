from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.errors import DataError
from mirage.training.evaluation.classifier import (
    FEATURES,
    WEIGHTS,
    Classifier,
    classify,
    fit,
    load_digit_classifier,
    orient,
    save_classifier,
    to_view,
)
from tests.training.helpers.datasets import shapes


def test_the_pinned_classifier_loads_and_gives_features() -> None:
    images = np.zeros((3, 28, 28, 1), np.uint8)
    features, classes = classify(load_digit_classifier(), images)
    assert features.shape == (3, FEATURES)
    assert classes.shape == (3,)


def test_the_classifier_processes_images_independently() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    network = load_digit_classifier()
    together, _ = classify(network, images)
    alone, _ = classify(network, images, batch=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_rejects_another_classifier_than_the_pinned_one(tmp_path: Path) -> None:
    changed = tmp_path / "mnist.safetensors"
    changed.write_bytes(WEIGHTS.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match="the pinned classifier has"):
        load_digit_classifier(changed)


def test_training_is_deterministic(tmp_path: Path) -> None:
    images, labels = shapes(count=512, side=28)
    torch.set_num_threads(1)
    networks = [fit(images, labels, epochs=3, seed=0, batch=32) for _ in range(2)]
    _, predicted = classify(networks[0], images)
    assert (predicted == labels).mean() > 0.9
    hashes = {save_classifier(n, tmp_path / f"{i}.st", 0.9) for i, n in enumerate(networks)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("shape", "side"),
    [((8, 12, 1), 8), ((28, 28, 3), 28), ((72, 72, 4), 64), ((41, 37, 3), 37), ((30, 200, 3), 30)],
)
def test_classifies_images_of_any_shape_as_a_square(shape: tuple[int, int, int], side: int) -> None:
    images = np.zeros((2, *shape), np.uint8)
    assert to_view(images).shape == (2, shape[2], side, side)
    network = Classifier(side, shape[2], num_classes=3).eval()
    features, classes = classify(network, images)
    assert features.shape == (2, FEATURES)
    assert classes.shape == (2,)


def test_the_eight_orientations_differ_and_the_first_is_the_image_itself() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    turned = orient(image.repeat(8, 1, 1, 1), torch.arange(8))
    assert torch.equal(turned[0], image[0])
    assert len({tuple(way.flatten().tolist()) for way in turned}) == 8


def test_learns_without_labels() -> None:
    images, _ = shapes(count=32, side=8, channels=3)
    torch.set_num_threads(1)
    features, _ = classify(fit(images, None, epochs=1, seed=0), images)
    assert np.isfinite(features).all()
    assert features.std() > 0
