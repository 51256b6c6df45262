import numpy as np
import pytest

from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.scores.stacked_mnist import stacked_scores, triples
from tests.bundles import Toy
from tests.training.helpers.toys import digits_like


def test_three_digits_give_one_of_a_thousand_modes() -> None:
    assert triples(np.array([[0, 0, 7], [9, 9, 9]])).tolist() == [7, 999]


@pytest.mark.parametrize("side", [28, 32])
def test_counts_modes_of_a_model_and_of_real_triples(side: int) -> None:
    model = Toy(labels=(), channels=3, height=side, width=side).model().SerializeToString()
    scores, spread = stacked_scores(model, digits_like(), samples=60, seeds=2)
    assert 1 <= scores["modes"].value <= 60
    assert 0 < scores["reverse_kl"].value <= np.log(1000) + 1e-9
    assert scores["modes"].n == 60
    assert scores["modes"].floor is not None
    assert spread.keys() == scores.keys()


def test_stacked_data_are_classified_channel_by_channel() -> None:
    grey = digits_like().images
    stacked = Dataset(np.repeat(grey, 3, axis=3), None, (), "s" * 64)
    model = Toy(labels=(), channels=3, height=28, width=28).model().SerializeToString()
    scores, _ = stacked_scores(model, stacked, samples=60, seeds=2)
    assert scores["modes"].floor is not None
    assert scores["modes"].floor <= 10  # all three channels are the same digit


def test_rejects_a_grey_model() -> None:
    model = Toy(labels=(), height=28, width=28).model().SerializeToString()
    with pytest.raises(DataError, match="1 channels; stacked digits have 3"):
        stacked_scores(model, digits_like(), samples=4, seeds=2)


def test_rejects_images_smaller_than_digits() -> None:
    model = Toy(labels=(), channels=3).model().SerializeToString()
    with pytest.raises(DataError, match="12x8; digits are 28x28 or more"):
        stacked_scores(model, digits_like(), samples=4, seeds=2)
