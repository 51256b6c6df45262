"""Distances between distributions of features, and shares; pure functions of arrays."""

import numpy as np
from tqdm import tqdm


def agreement(judged: np.ndarray, requested: np.ndarray) -> float:
    """The share in [0, 1] of images whose judged class int64 [N] is the requested one."""
    return float(np.mean(judged == requested))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between Gaussians fitted to features float [N, D] and [M, D] (Heusel et al. 2017, eq. 6).

    |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)); 0 for equal ones, no upper bound.
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

    The unbiased estimate, so 0 in the mean for equal distributions and at times below; the mean of
    `subsets` seeded draws of `subset` features from each (Binkowski et al. 2018).
    """
    rng = np.random.Generator(np.random.Philox(2))
    draws = [
        _discrepancy(
            a[rng.choice(len(a), subset, replace=False)],
            b[rng.choice(len(b), subset, replace=False)],
        )
        for _ in tqdm(range(subsets), desc="kernel distance", unit="draw", leave=False)
    ]
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
    """KL in nats from the modes int64 [N] that were found to `count` equally likely ones.

    Biased up by about (count - 1) / 2N: it says nothing without N, nor without that of real data.
    """
    shares = np.bincount(modes, minlength=count) / len(modes)
    found = shares[shares > 0]
    return float((found * np.log(found * count)).sum())
