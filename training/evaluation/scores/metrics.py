"""Scores as pure functions of features: distances, and statistics of nearest neighbours."""

import numpy as np
import torch

from mirage.training.evaluation.progress import progress_bar

CLEAR = 5
"""Differences of alpha, in grey levels, that are not visible."""


def agreement(predicted: np.ndarray, requested: np.ndarray) -> float:
    """The share in [0, 1] of images whose predicted class int64 [N] is the requested one."""
    return float(np.mean(predicted == requested))


def translucent_share(images: np.ndarray) -> float:
    """The share in [0, 1] of pixels of RGBA uint8 [N, H, W, 4] that are translucent.

    Real images have such pixels at outlines; models with unclean backgrounds have more.
    """
    opacity = images[..., 3]
    return float(np.mean((opacity > CLEAR) & (opacity < 255 - CLEAR)))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of features float [N, D] and [M, D] (Heusel et al. 2017, eq. 6).

    |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)) of fitted Gaussians; 0 if equal, unbounded.
    """
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    cov_a, cov_b = (np.cov(x.astype(np.float64), rowvar=False) for x in (a, b))
    # A B is similar to a symmetric positive matrix, so the root's trace is that of its eigenvalues
    root = _symmetric_root(cov_a)
    eigenvalues = np.linalg.eigvalsh(root @ cov_b @ root)
    trace_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    distance = np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * trace_root
    return max(float(distance), 0.0)


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def kernel_distance(a: np.ndarray, b: np.ndarray, subset: int, subsets: int) -> float:
    """Squared maximum mean discrepancy of features [N, D] and [M, D], with (x.y / D + 1)^3.

    The unbiased estimate: 0 on average for equal distributions, and sometimes negative. The mean
    over `subsets` seeded random subsets of size `subset` (Binkowski et al. 2018).
    """
    rng = np.random.Generator(np.random.Philox(2))
    draws = []
    with progress_bar(subsets, "kernel distance", "draws") as bar:
        for _ in range(subsets):
            draws.append(
                _discrepancy(
                    a[rng.choice(len(a), subset, replace=False)],
                    b[rng.choice(len(b), subset, replace=False)],
                )
            )
            bar.update()
    return float(np.mean(draws))


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """Of two sets of n: the mean of k(a, a'), plus that of k(b, b'), less twice that of k(a, b)."""
    n = len(a)
    aa, bb, ab = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    within = aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)
    return float(within / (n * (n - 1)) - 2 * ab.mean())


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    products = a.astype(np.float64) @ b.astype(np.float64).T / a.shape[1] + 1
    return products * products * products  # a power of arrays takes three times as long


def reverse_kl(modes: np.ndarray, count: int) -> float:
    """KL divergence in nats from the frequencies of modes int64 [N] to `count` equally likely ones.

    Biased upwards by about (count - 1) / 2N; compare it only with real data of the same N.
    """
    shares = np.bincount(modes, minlength=count) / len(modes)
    found = shares[shares > 0]
    return float((found * np.log(found * count)).sum())


SEARCHED_ROWS = 128
SPARE = 4
"""Extra candidates, so that rounding cannot exclude an equally near one."""


@torch.inference_mode()
def find_nearest(
    features: np.ndarray, among: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the `count` nearest features in `among` [M, D] for each of float [N, D].

    Returns squared distances float64 [N, count], ascending, and indices int64 [N, count]; ties are
    ordered by index. Holds at most 128 x M distances at a time.
    """
    centre = among.mean(0, dtype=np.float64)  # differences of small numbers lose the least
    sought, found = (torch.from_numpy(side - centre).float() for side in (features, among))
    found_squares = found.square().sum(1)
    candidates = min(count + SPARE, len(among))
    block = torch.empty(SEARCHED_ROWS, len(among))
    distances, indices = [], []
    with progress_bar(len(features), "neighbours", "images") as bar:
        for start in range(0, len(features), SEARCHED_ROWS):
            rows = slice(start, start + SEARCHED_ROWS)
            near = block[: len(sought[rows])]
            torch.addmm(found_squares, sought[rows], found.T, alpha=-2, out=near)
            chosen = near.topk(candidates, largest=False).indices.sort().values.numpy()
            exact = np.square(features[rows, None].astype(np.float64) - among[chosen]).sum(2)
            order = exact.argsort(axis=1, kind="stable")[:, :count]
            distances.append(np.take_along_axis(exact, order, axis=1))
            indices.append(np.take_along_axis(chosen, order, axis=1))
            bar.update(len(near))
    return np.concatenate(distances), np.concatenate(indices)


K = 5
COMPARED_ROWS = 512
NEAR_QUANTILE = 0.01
SMALLEST = 1e-6


def manifold_scores(real: np.ndarray, generated: np.ndarray, k: int = K) -> dict[str, float]:
    """Precision, recall, density and coverage of features float [N, D] and [M, D].

    The ball of a feature extends to its k-th neighbour on its own side. precision: share of
    generated features in a real ball; recall: share of real features in a generated ball
    (Kynkäänniemi et al. 2019). density: number of real balls around a generated feature, divided by
    k, which is 1 for equal distributions; coverage: share of real balls that contain a generated
    feature (Naeem et al. 2020).
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
    """Slices of rows, so that the whole distance matrix is never in memory."""
    return [slice(start, start + COMPARED_ROWS) for start in range(0, count, COMPARED_ROWS)]
