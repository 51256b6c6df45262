"""Similarity of a picture to its original: SSIM and GMSD of luma."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mirage.training.errors import DataError

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004."""
GRADIENT = 170.0
"""Of Xue et al., "Gradient Magnitude Similarity Deviation", 2014, for grey levels 0 to 255."""


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two lumas float [H, W], as in MATLAB; 1 if equal.

    Uses a Gaussian window of 11 pixels, without padding. Raises DataError for smaller pictures.
    """
    if min(a.shape) < WINDOW:
        raise DataError(f"a picture is {a.shape[1]}x{a.shape[0]}; SSIM needs {WINDOW} pixels")
    x, y = _image(a), _image(b)
    means = [_blurred(v) for v in (x, y)]
    squares = [m * m for m in means]
    product = means[0] * means[1]
    variances = _blurred(x * x) - squares[0] + _blurred(y * y) - squares[1]
    covariance = _blurred(x * y) - product
    likeness = (2 * product + C1) * (2 * covariance + C2)
    return float((likeness / ((squares[0] + squares[1] + C1) * (variances + C2))).mean())


def gmsd(a: np.ndarray, b: np.ndarray) -> float:
    """Gradient magnitude similarity deviation of two lumas float [H, W]; 0 if equal."""
    x, y = (_gradient(F.avg_pool2d(_image(v), 2)) for v in (a, b))
    likeness = (2 * x * y + GRADIENT) / (x * x + y * y + GRADIENT)
    return float(likeness.std(correction=0))


def gaussian(window: int, sigma: float) -> Tensor:
    """Weights float64 [window] that sum to 1."""
    places = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    weights = torch.exp(-places.square() / (2 * sigma**2))
    return weights / weights.sum()


def _image(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float64))[None, None]


def _blurred(image: Tensor) -> Tensor:
    weights = gaussian(WINDOW, SIGMA)
    return F.conv2d(F.conv2d(image, weights[None, None, None]), weights[None, None, :, None])


def _gradient(image: Tensor) -> Tensor:
    """Gradient magnitude by Prewitt filters."""
    rows = torch.tensor([[1.0, 0, -1]] * 3, dtype=torch.float64) / 3
    filters = torch.stack([rows, rows.T])[:, None]
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), filters).square().sum(1).sqrt()
