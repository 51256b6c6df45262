from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.manifest import Score
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from mirage.training.evaluation.evaluate import scores_by, self_supervised_scores
from mirage.training.evaluation.reference import METHOD
from mirage.training.evaluation.scorecard import Scorecard
from tests.bundles import Toy
from tests.training.helpers.toys import SIZES, digit_features, digits_like, evaluator_of

TOY = Toy(height=28, width=28)
MODEL = TOY.model().SerializeToString()


@pytest.fixture(scope="module")
def scorecard(tmp_path_factory: pytest.TempPathFactory) -> Scorecard:
    return evaluator_of(digits_like(), tmp_path_factory.mktemp("cache")).score(MODEL, seeds=2)


def test_scores_a_model_with_floor_and_collapsed_score(scorecard: Scorecard) -> None:
    scores = scorecard.scores
    assert next(iter(scores)) == "agreement"
    assert scores["frechet"].value > 2 * scores["frechet"].floor > 0
    assert scores["coverage"].value < 0.1 < scores["coverage"].floor
    assert scores["frechet"].n == scores["agreement"].n == SIZES.generated
    assert scores["coverage"].n == scores["memorised"].n == SIZES.covered
    assert scorecard.collapsed["recall"] == 0


def test_records_the_conditions_of_measurement(scorecard: Scorecard) -> None:
    assert scorecard.network == "the classifier of digits"
    assert scorecard.data_fingerprint == digits_like().fingerprint
    assert scorecard.sizes["generated"] == SIZES.generated
    assert not scorecard.full
    assert scorecard.method == METHOD


def test_further_seeds_affect_only_the_spread(scorecard: Scorecard, tmp_path: Path) -> None:
    once = evaluator_of(digits_like(), tmp_path).score(MODEL)
    assert once.scores == scorecard.scores
    assert once.spread == {}
    assert scorecard.spread.keys() == scorecard.scores.keys()
    assert scorecard.spread["frechet"] > 0


def test_data_without_classes_have_no_agreement(tmp_path: Path) -> None:
    model = Toy(labels=(), height=28, width=28).model().SerializeToString()
    card = evaluator_of(digits_like(labelled=False), tmp_path).score(model)
    assert "agreement" not in card.scores
    assert "frechet" in card.scores


def test_ignores_a_test_split_equal_to_the_training_data(tmp_path: Path) -> None:
    data = digits_like()
    assert evaluator_of(data, tmp_path, test=data).test is None
    assert evaluator_of(data, tmp_path, test=digits_like(200)).test is not None


def test_rejects_images_of_another_size(tmp_path: Path) -> None:
    model = Toy().model().SerializeToString()
    with pytest.raises(DataError, match=r"the model makes images \(8, 12, 1\)"):
        evaluator_of(digits_like(), tmp_path).score(model)


class Brightness:
    """Features that anyone can check: mean grey levels of the four quarters."""

    name = "mean brightness"
    sha256 = "b" * 64

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        quarters = images.reshape(len(images), 2, 14, 2, 14).mean((2, 4))
        return quarters.reshape(len(images), 4).astype(np.float32), None


def test_scores_of_another_network_have_its_name(tmp_path: Path) -> None:
    evaluator = evaluator_of(digits_like(), tmp_path)
    found = scores_by(Brightness(), evaluator, MODEL, "brightness")
    assert found.keys() == {"frechet_brightness", "kernel_brightness"}
    assert isinstance(found["frechet_brightness"], Score)
    assert found["frechet_brightness"].value > found["frechet_brightness"].floor


def test_defaults_to_the_feature_network_of_the_data(tmp_path: Path) -> None:
    assert evaluator_of(digits_like(), tmp_path).network.sha256 == digit_features().sha256


def test_data_with_groups_tell_copies_among_kin(tmp_path: Path) -> None:
    data = replace(digits_like(), groups=np.arange(120) % 12)
    card = evaluator_of(data, tmp_path).score(MODEL)
    score = card.scores["memorised_groups"]
    assert score.n == SIZES.generated
    assert 0 <= score.value <= 1
    assert score.floor is not None
    assert "memorised_unseen" not in card.scores


def test_held_out_groups_are_compared_with_too(tmp_path: Path) -> None:
    options = DataOptions(held_out=10)
    data = replace(digits_like(), groups=np.arange(120) % 12, options=options)
    test = replace(digits_like(24), groups=np.arange(24) % 2 + 12, options=options)
    scores = evaluator_of(data, tmp_path, test).score(MODEL).scores
    assert scores["memorised_unseen"].floor is not None


def test_features_without_classes_score_data_with_classes(tmp_path: Path) -> None:
    evaluator = evaluator_of(digits_like(), tmp_path)
    found = self_supervised_scores(evaluator, MODEL)
    assert {"recall_self_supervised", "coverage_self_supervised"} <= found.keys()
    assert found["frechet_self_supervised"].value != evaluator.score(MODEL).scores["frechet"].value
    assert list((tmp_path / "features").glob("*-orientations-*.safetensors"))
