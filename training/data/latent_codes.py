"""A latent vector for each picture of a data set, found without training."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mirage.training.data.sources.pixels import to_planes

SIDE = 16
"""Of the thumbnails, in pixels: what an image shows as a whole, and little of its details."""
BLOCK = 256
"""Images that are made smaller at once."""


def latent_codes(images: np.ndarray, latent_dim: int, transparency: str, seed: int) -> np.ndarray:
    """Images uint8 [N, H, W, C] -> float32 [N, latent_dim], each coordinate standard normal.

    The principal components of thumbnails, the largest first, each replaced by the normal quantiles
    of its ranks, so that similar images lie close together and the whole is spread as latents are.
    Coordinates beyond the components are noise by the seed.
    """
    scores = principal_components(_thumbnails(images, transparency), latent_dim)
    noise = np.random.Generator(np.random.Philox(seed))
    further = noise.standard_normal((len(images), latent_dim - scores.shape[1]))
    return np.concatenate([gaussianised(scores), further], axis=1).astype(np.float32)


def principal_components(vectors: np.ndarray, most: int) -> np.ndarray:
    """float [N, D] -> float64 [N, K]: projections on the K <= `most` directions that vary most.

    Signs are fixed: a direction's largest entry is positive. Directions that do not vary are left
    out.
    """
    centred = vectors - vectors.mean(0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances[::-1][:most], directions[:, ::-1][:, :most]
    directions = directions[:, variances > 1e-9 * max(variances[0], 1e-12)]
    largest = np.abs(directions).argmax(0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return centred @ (directions * signs)


def gaussianised(values: np.ndarray) -> np.ndarray:
    """float [N, K] -> float64 [N, K]: in each column the normal quantiles of the ranks."""
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    shares = torch.from_numpy((ranks + 0.5) / len(values))
    return torch.special.ndtri(shares).numpy()


def _thumbnails(images: np.ndarray, transparency: str) -> np.ndarray:
    """float32 [N, D] of what networks see, made smaller by means of areas."""
    starts = range(0, len(images), BLOCK)
    parts = [_small(to_planes(images[at : at + BLOCK], transparency)) for at in starts]
    return torch.cat(parts).numpy()


def _small(planes: Tensor) -> Tensor:
    height, width = (min(side, SIDE) for side in planes.shape[2:])
    return F.adaptive_avg_pool2d(planes, (height, width)).flatten(1)
