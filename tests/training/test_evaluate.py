from pathlib import Path

import numpy as np
import pytest

from bundle.latents import draw_latents
from bundle.manifest import Score
from tests.bundles import Toy
from tests.training.data import shapes, shapes_dataset
from training import evaluate as evaluation
from training.dataset import Dataset
from training.errors import DataError


def test_labels_come_in_the_proportions_of_the_data() -> None:
    labels = np.array([0] * 10 + [1] * 30)
    chosen = evaluation.proportional_labels(np.random.default_rng(0).permutation(labels), 8)
    assert chosen.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


def test_image_i_is_that_of_seed_i() -> None:
    toy = Toy()
    labels = np.arange(130) % 10
    images = evaluation.generate_images(toy.model().SerializeToString(), labels)
    latents, _ = draw_latents(seed=123, index=0, count=1, latent_dim=toy.latent_dim)
    np.testing.assert_array_equal(images[123], toy.images(latents, labels[123:124])[0])
    assert len(images) == 130


def test_scores_every_labelled_model_beside_its_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "GENERATED", 200)
    monkeypatch.setattr(evaluation, "REFERENCE", 400)
    monkeypatch.setattr(evaluation, "COVERED", 100)
    images, labels = shapes(600, side=28)
    data = Dataset(images, labels, tuple("0123456789"), "f")
    toy = Toy(height=28, width=28)
    scored = evaluation.evaluate(toy.model().SerializeToString(), data, data)
    assert scored.keys() == {"agreement", "frechet", "coverage"}
    assert scored["frechet"].value > 10 * scored["frechet"].floor > 0
    assert scored["coverage"].value < 0.1 < 0.5 < scored["coverage"].floor
    assert scored["agreement"].n == 200


def test_says_when_there_are_too_few_images_to_score() -> None:
    data = shapes_dataset(side=28)
    model = Toy(height=28, width=28).model().SerializeToString()
    with pytest.raises(DataError, match="96 images; these scores need 60000"):
        evaluation.evaluate(model, data, data)


def test_a_model_without_classes_has_no_such_scores() -> None:
    model = Toy(labels=()).model().SerializeToString()
    with pytest.raises(DataError, match="no classes"):
        evaluation.generate_images(model, np.zeros(1, np.int64))


def test_scores_survive_their_file(tmp_path: Path) -> None:
    scored = {"frechet": Score(value=2.5, floor=0.5, n=10)}
    evaluation.write_scores(tmp_path / "scores.json", scored)
    assert evaluation.read_scores(tmp_path / "scores.json") == scored
    assert evaluation.read_scores(tmp_path / "none.json") == {}
    assert list(evaluation.table(scored))[1].split() == ["frechet", "2.5000", "0.5000", "10"]
