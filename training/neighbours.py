"""Who lies near whom among features: the scores that count neighbours, and copies of the data."""

import numpy as np

from mirage.training.search import find_nearest

K = 5
ROWS = 512
NEAR_QUANTILE = 0.01
SMALLEST = 1e-6


def manifold_scores(real: np.ndarray, generated: np.ndarray, k: int = K) -> dict[str, float]:
    """Precision, recall, density and coverage of features float [N, D] and [M, D].

    A feature's ball reaches to its k-th neighbour on its own side. precision: share of generated
    features in some real ball; recall: share of real ones in some generated ball (Kynkäänniemi et
    al. 2019). density: real balls around a generated feature, over k, so that 1 is usual and more
    is possible; coverage: share of real balls that hold a generated feature (Naeem et al. 2020).
    """
    real_radius, generated_radius = radii(real, k), radii(generated, k)
    inside, held = np.zeros(len(generated), np.int64), np.zeros(len(real), bool)
    recalled = np.zeros(len(real), bool)
    for rows in _chunks(len(real)):
        distances = squared_distances(real[rows], generated)
        within = distances < real_radius[rows, None]
        inside += within.sum(axis=0)
        held[rows] = within.any(axis=1)
        recalled[rows] = (distances < generated_radius).any(axis=1)
    return {
        "precision": float(np.mean(inside > 0)),
        "recall": float(recalled.mean()),
        "density": float(inside.mean() / k),
        "coverage": float(held.mean()),
    }


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each feature to its k-th neighbour among the others: float64 [N]."""
    parts = [
        np.partition(squared_distances(features[rows], features), k, axis=1)[:, k]
        for rows in _chunks(len(features))  # place 0 is the feature itself
    ]
    return np.concatenate(parts)


def nearest(features: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How near each feature lies to its nearest training one, and which that is.

    float [N, D] and [M, D] -> nearness float64 [N], index int64 [N]. Nearness is the squared
    distance over that of the training feature to its own nearest neighbour: about 1 for more of the
    same, 0 for a copy, whether it lies where training features are dense or sparse.
    """
    distances, indices = find_nearest(features, training, 1)
    found = indices[:, 0]
    which, back = np.unique(found, return_inverse=True)
    neighbours, _ = find_nearest(training[which], training, 2)
    usual = neighbours[:, 1]  # place 0 is the feature itself
    usual = np.maximum(usual, SMALLEST * usual.mean())  # training images may occur twice
    return distances[:, 0] / usual[back], found


def memorised_share(nearness: np.ndarray, unseen: np.ndarray) -> float:
    """The share of samples nearer to a training image than 99 in 100 unseen real images are.

    nearness float64 [N] of samples and [M] of real images that are not among the training ones.
    About 0.01 for new images, near 1 for copies.
    """
    return float(np.mean(nearness < np.quantile(unseen, NEAR_QUANTILE)))


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float [N, D] and [M, D] -> float64 [N, M]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.clip(squares, 0, None)


def _chunks(count: int) -> list[slice]:
    """Slices of rows, so that a distance matrix is never held whole."""
    return [slice(start, start + ROWS) for start in range(0, count, ROWS)]
