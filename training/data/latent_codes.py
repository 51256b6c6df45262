"""One latent vector per training image, computed without training."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mirage.training.media.pixels import to_planes

SIDE = 16
"""Side of the thumbnails in pixels: keeps the composition of an image and drops its details."""
BLOCK = 256
"""Images reduced per call, which bounds memory."""


def latent_codes(images: np.ndarray, latent_dim: int, transparency: str, seed: int) -> np.ndarray:
    """Compute latents float32 [N, latent_dim] of images uint8 [N, H, W, C].

    Each coordinate is distributed as a standard normal.
    Coordinates are the principal components of thumbnails, largest variance first, mapped to normal
    quantiles by rank. Similar images get similar latents, and the set is distributed like sampled
    latents. Coordinates beyond the number of components are Gaussian noise seeded with `seed`.
    """
    scores = principal_components(_thumbnails(images, transparency), latent_dim)
    noise = np.random.Generator(np.random.Philox(seed))
    rest = noise.standard_normal((len(images), latent_dim - scores.shape[1]))
    return np.concatenate([gaussianised(scores), rest], axis=1).astype(np.float32)


def principal_components(vectors: np.ndarray, most: int) -> np.ndarray:
    """Project float [N, D] on its K <= `most` principal directions: float64 [N, K].

    The largest entry of each direction is positive, which fixes the signs. Directions without
    variance are dropped.
    """
    centred = vectors - vectors.mean(0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances[::-1][:most], directions[:, ::-1][:, :most]
    directions = directions[:, variances > 1e-9 * max(variances[0], 1e-12)]
    largest = np.abs(directions).argmax(0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return centred @ (directions * signs)


def gaussianised(values: np.ndarray) -> np.ndarray:
    """Map each column of float [N, K] to the standard normal quantiles of its ranks: float64."""
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    shares = torch.from_numpy((ranks + 0.5) / len(values))
    return torch.special.ndtri(shares).numpy()


def _thumbnails(images: np.ndarray, transparency: str) -> np.ndarray:
    """Network values of the images, averaged over areas and flattened: float32 [N, D]."""
    starts = range(0, len(images), BLOCK)
    parts = [_small(to_planes(images[at : at + BLOCK], transparency)) for at in starts]
    return torch.cat(parts).numpy()


def _small(planes: Tensor) -> Tensor:
    height, width = (min(side, SIDE) for side in planes.shape[2:])
    return F.adaptive_avg_pool2d(planes, (height, width)).flatten(1)
