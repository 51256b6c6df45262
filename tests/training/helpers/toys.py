"""Small data and a small network for the tests of scores."""

from pathlib import Path

from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.evaluation.classifier import SHA256, load_digit_classifier
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.feature_networks import ClassifierFeatures
from mirage.training.evaluation.scorecard import Sizes
from tests.training.helpers.datasets import shapes

SIZES = Sizes(
    generated=40, reference=80, covered=20, kernel_subset=20, kernel_subsets=5, fit_images=240
)


def digits_like(count: int = 120, labelled: bool = True) -> Dataset:
    """28x28 grey shapes of two classes, a valid input of the classifier of digits."""
    images, labels = shapes(count, side=28)
    classes = ("left", "right") if labelled else ()
    labels = labels if labelled else None
    return Dataset(images, labels, classes, fingerprint(images, labels, classes))


def digit_features() -> ClassifierFeatures:
    return ClassifierFeatures(
        "the classifier of digits", SHA256, load_digit_classifier(), classes=True
    )


def evaluator_of(data: Dataset, cache: Path, test: Dataset | None = None) -> Evaluator:
    return Evaluator(data, test, sizes=SIZES, network=digit_features(), cache=cache)
