"""Natural-scene statistics: how natural pictures look, without a reference picture.

The 36 features per patch of Mittal et al., "Making a Completely Blind Image Quality Analyzer",
2013; two sets of patches are compared by the Fréchet distance between Gaussians.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mirage.training.evaluation.scores.image_quality import gaussian
from mirage.training.evaluation.scores.metrics import frechet_distance

PATCH = 96
LEAST_PATCHES = 72
"""Twice the number of features, for a usable covariance."""
WINDOW, SIGMA = 7, 7 / 6
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Directions of the neighbours in products: right, below, and both diagonals."""


def natural_scene_features(lumas: Sequence[np.ndarray]) -> np.ndarray:
    """Features float64 [patches, 36] of all complete patches of lumas float [H, W], 0 to 255."""
    rows = [_features(luma) for luma in lumas if min(luma.shape) >= PATCH]
    return np.concatenate(rows) if rows else np.empty((0, 36))


def natural_scene_distance(made: np.ndarray, real: np.ndarray) -> float | None:
    """Fréchet distance of features [N, 36] and [M, 36], scaled by the real features' deviations.

    None if there are too few patches.
    """
    if min(len(made), len(real)) < LEAST_PATCHES:
        return None
    mean, deviation = real.mean(0), real.std(0) + 1e-9
    return frechet_distance((made - mean) / deviation, (real - mean) / deviation)


def _features(luma: np.ndarray) -> np.ndarray:
    """Features at two scales, the second with half the size: float64 [patches, 36]."""
    height, width = (side // PATCH * PATCH for side in luma.shape)
    image = torch.from_numpy(np.ascontiguousarray(luma[:height, :width], np.float64))[None, None]
    scales = [_of_patches(image, PATCH), _of_patches(F.avg_pool2d(image, 2), PATCH // 2)]
    return torch.cat(scales, dim=1).numpy()


def _of_patches(image: Tensor, side: int) -> Tensor:
    """Distribution parameters of normalised luma and of products of neighbours: [P, 18]."""
    normal = _normalised(image)
    maps = [normal] + [normal * torch.roll(normal, shift, (2, 3)) for shift in SHIFTS]
    patches = [F.unfold(each, side, stride=side)[0].T for each in maps]
    first = _generalised_gaussian(patches[0])
    return torch.cat([first, *map(_asymmetric_gaussian, patches[1:])], dim=1)


def _normalised(image: Tensor) -> Tensor:
    """Subtract the local mean and divide by the local deviation."""
    weights, edge = gaussian(WINDOW, SIGMA), WINDOW // 2

    def local(values: Tensor) -> Tensor:
        padded = F.pad(values, (edge,) * 4, mode="replicate")
        rows = F.conv2d(padded, weights[None, None, None])
        return F.conv2d(rows, weights[None, None, :, None])

    mean = local(image)
    deviation = (local(image * image) - mean * mean).clamp(min=0).sqrt()
    return (image - mean) / (deviation + 1)


def _generalised_gaussian(values: Tensor) -> Tensor:
    """Shape and variance of each row: [P, 2]."""
    variance = values.square().mean(1)
    ratio = variance / values.abs().mean(1).square().clamp(min=1e-12)
    shapes, ratios, _ = _table()
    return torch.stack([_nearest(shapes, ratios, ratio), variance], dim=1)


def _asymmetric_gaussian(values: Tensor) -> Tensor:
    """Shape, mean, and left and right variance of each row: [P, 4]."""
    left, right = (
        (values.square() * side).sum(1) / side.sum(1).clamp(min=1)
        for side in (values < 0, values > 0)
    )
    g = left.sqrt() / right.sqrt().clamp(min=1e-12)
    r = values.abs().mean(1).square() / values.square().mean(1).clamp(min=1e-12)
    ratio = r * (g**3 + 1) * (g + 1) / (g * g + 1).square()
    shapes, ratios, spreads = _table()
    shape = _nearest(shapes, 1 / ratios, ratio)
    spread = _nearest(spreads, shapes, shape)
    mean = (right.sqrt() - left.sqrt()) * spread
    return torch.stack([shape, mean, left, right], dim=1)


@cache
def _table() -> tuple[Tensor, Tensor, Tensor]:
    """Shapes 0.2 ... 10 with the moment ratio and the mean of each at unit deviation."""
    shape = torch.arange(0.2, 10.001, 0.001, dtype=torch.float64)
    one, two, three = (torch.lgamma(n / shape) for n in (1, 2, 3))
    ratio = torch.exp(one + three - 2 * two)
    return shape, ratio, torch.exp(two - (one + three) / 2)


def _nearest(answers: Tensor, keys: Tensor, wanted: Tensor) -> Tensor:
    """The values whose keys are nearest to the wanted ones; keys are monotonic."""
    if keys[0] > keys[-1]:
        answers, keys = answers.flip(0), keys.flip(0)
    after = torch.searchsorted(keys, wanted).clamp(1, len(keys) - 1)
    lower = wanted - keys[after - 1] < keys[after] - wanted
    return answers[after - lower.long()]
