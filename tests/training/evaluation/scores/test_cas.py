from dataclasses import replace

import numpy as np
import pytest
import torch

from mirage.training.data.dataset import SelectedImages
from mirage.training.errors import DataError
from mirage.training.evaluation.reference import scatter
from mirage.training.evaluation.scores import cas
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


class NotedImages(SelectedImages):
    """Images that note which of them are read."""

    def __init__(self, stored: np.ndarray) -> None:
        self.noted: set[int] = set()
        super().__init__(stored, np.arange(len(stored)))

    def _read(self, indices: np.ndarray) -> np.ndarray:
        self.noted |= set(indices.tolist())
        return super()._read(indices)


def test_as_many_real_images_train_classifiers_as_generated_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(cas, "IMAGES", 8)
    data = digits_like(20)
    images = NotedImages(data.images)
    model = Toy(height=28, width=28).model().SerializeToString()
    score = classification_accuracy(model, replace(data, images=images), data, epochs=1)
    assert score.n == 8
    assert images.noted <= {0, *scatter(20)[:8].tolist()}  # the first tells the size of all


def test_rejects_data_without_classes() -> None:
    model = Toy(labels=(), height=28, width=28).model().SerializeToString()
    data = digits_like(20, labelled=False)
    with pytest.raises(DataError, match="CAS needs them"):
        classification_accuracy(model, data, data)
