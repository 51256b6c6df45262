"""Contact sheets of samples, real images, and nearest neighbours."""

from collections.abc import Callable

import numpy as np

from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.reference import scatter
from mirage.training.evaluation.samples import SOUGHT, generate_images
from mirage.training.evaluation.scores.metrics import nearest
from mirage.training.media.pixels import contact_sheet

COLUMNS = 10
ROWS = 10


def columns_of(num_classes: int) -> np.ndarray:
    """Labels int64 [100] of a sheet with one class per column."""
    return np.arange(COLUMNS * ROWS) % COLUMNS % num_classes


def sample_sheet(model: bytes, num_classes: int) -> np.ndarray:
    """Seeds 0 … 99, one class per column: uint8 [H, W, C]."""
    labels = columns_of(num_classes) if num_classes else None
    images = generate_images(model, COLUMNS * ROWS, labels)
    return contact_sheet(images, COLUMNS)


def real_sheet(
    images: np.ndarray,
    labels: np.ndarray | None,
    pictures: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """A hundred real images, one class per column where there are classes: uint8 [H, W, C].

    pictures: draws samples of other media (`Medium.pictures`).
    """
    order = scatter(len(images))
    if labels is None:
        return contact_sheet(pictures(images[order[: COLUMNS * ROWS]]), COLUMNS)
    wanted = columns_of(int(labels.max()) + 1)
    chosen = np.empty(len(wanted), np.int64)
    for label in np.unique(wanted):
        places = wanted == label
        chosen[places] = np.resize(order[labels[order] == label], places.sum())
    return contact_sheet(pictures(images[chosen]), COLUMNS)


def neighbour_sheet(evaluator: Evaluator, model: bytes) -> np.ndarray:
    """Four rows of ten: samples with their nearest training images below: uint8 [H, W, C].

    Rows 1 and 2 show ten random samples; rows 3 and 4 show, of a thousand samples, the ten nearest
    to a training image relative to its neighbourhood, where copies would appear first.
    """
    count = min(SOUGHT, evaluator.sizes.generated)
    requested = evaluator.requested_labels(count)
    images = evaluator.generate(model, requested, first_seed=0, count=count)
    features, _ = evaluator.network(images)
    nearness, found = nearest(features, evaluator.reference.reference)
    twins = evaluator.train.images[evaluator.split.reference[found]]
    usual, closest = np.sort(scatter(count)[:COLUMNS]), np.argsort(nearness)[:COLUMNS]
    rows = [images[usual], twins[usual], images[closest], twins[closest]]
    return contact_sheet(evaluator.train.medium.pictures(np.concatenate(rows)), COLUMNS)
