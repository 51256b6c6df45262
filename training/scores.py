"""Scores of generated images in the features of a judge; pure functions of arrays."""

import numpy as np


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


def coverage(real: np.ndarray, generated: np.ndarray, k: int = 5) -> float:
    """The share of real features with a generated one nearer than their k-th real neighbour.

    real float [N, D], generated float [M, D] -> in [0, 1] (Naeem et al. 2020, eq. 9).
    """
    radius = np.partition(_squared_distances(real, real), k, axis=1)[:, k]  # 0 is the point itself
    nearest = _squared_distances(real, generated).min(axis=1)
    return float(np.mean(nearest < radius))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.clip(squares, 0, None)
