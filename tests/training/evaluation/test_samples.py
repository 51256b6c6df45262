import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.training.errors import DataError
from mirage.training.evaluation.samples import generate_images, proportional_labels, takes_labels
from tests.bundles import Toy


def test_labels_come_in_the_proportions_of_the_data() -> None:
    labels = np.array([0] * 10 + [1] * 30)
    chosen = proportional_labels(np.random.default_rng(0).permutation(labels), 8)
    assert chosen.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


def test_image_i_has_seed_i() -> None:
    toy = Toy()
    labels = np.arange(130) % 10
    images = generate_images(toy.model().SerializeToString(), 130, labels, first_seed=1000)
    latents, _ = draw_latents(seed=1123, index=0, count=1, latent_dim=toy.latent_dim)
    np.testing.assert_array_equal(images[123], toy.images(latents, labels[123:124])[0])
    assert len(images) == 130


def test_a_model_without_classes_ignores_labels() -> None:
    model = Toy(labels=()).model().SerializeToString()
    assert not takes_labels(model)
    labelled = generate_images(model, 3, np.zeros(3, np.int64))
    np.testing.assert_array_equal(labelled, generate_images(model, 3))


def test_a_model_with_classes_needs_labels() -> None:
    model = Toy().model().SerializeToString()
    assert takes_labels(model)
    with pytest.raises(DataError, match="the data have none"):
        generate_images(model, 3)
