"""Classification accuracy score: how well a classifier trained on generated images performs."""

import numpy as np

from mirage.bundle.format.manifest import Score
from mirage.training.data.dataset import Dataset, subset
from mirage.training.errors import DataError
from mirage.training.evaluation.classifier import classify, fit
from mirage.training.evaluation.reference import scatter
from mirage.training.evaluation.samples import generate_images, proportional_labels
from mirage.training.evaluation.scores.metrics import agreement

IMAGES = 60_000
SEEDS = 3
EPOCHS = 10


def classification_accuracy(
    model: bytes, train: Dataset, test: Dataset, epochs: int = EPOCHS
) -> Score:
    """CAS: accuracy on real test images of classifiers trained on generated images.

    The floor is the accuracy of classifiers trained on as many real images. Uses as many images as
    the training data, at most 60,000, and the mean of 3 seeds (Ravuri & Vinyals 2019). Raises
    DataError for data without classes.
    """
    if train.labels is None or test.labels is None:
        raise DataError("the data have no classes; CAS needs them")
    count = min(len(train), IMAGES)
    requested = proportional_labels(train.labels, count)
    generated = generate_images(model, count, requested)
    chosen = np.sort(scatter(len(train))[:count])
    real = subset(train, chosen).images
    return Score(
        value=_test_accuracy(generated, requested, test.images, test.labels, epochs),
        floor=_test_accuracy(real, train.labels[chosen], test.images, test.labels, epochs),
        n=count,
    )


def _test_accuracy(
    images: np.ndarray,
    labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    epochs: int,
) -> float:
    accuracies = []
    for seed in range(1, SEEDS + 1):  # seed 0 made the shipped classifier
        _, predicted = classify(fit(images, labels, epochs, seed), test_images)
        accuracies.append(agreement(predicted, test_labels))
    return float(np.mean(accuracies))
