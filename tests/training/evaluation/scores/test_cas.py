import pytest
import torch

from mirage.training.errors import DataError
from mirage.training.evaluation.scores.cas import classification_accuracy
from tests.bundles import Toy
from tests.training.helpers.toys import digits_like


def test_a_classifier_of_generated_images_is_tested_on_real_ones() -> None:
    torch.set_num_threads(1)
    data = digits_like(20)
    model = Toy(height=28, width=28).model().SerializeToString()
    score = classification_accuracy(model, data, digits_like(30), epochs=1)
    assert 0 <= score.value <= 1
    assert score.floor is not None
    assert 0 <= score.floor <= 1
    assert score.n == 20


def test_rejects_data_without_classes() -> None:
    model = Toy(labels=(), height=28, width=28).model().SerializeToString()
    data = digits_like(20, labelled=False)
    with pytest.raises(DataError, match="CAS needs them"):
        classification_accuracy(model, data, data)
