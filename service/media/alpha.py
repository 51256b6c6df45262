"""Transparency: prepares it for models of pictures, and keeps it exact."""

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.uint8]  # [H, W, C]
Alpha = NDArray[np.uint8]  # [H, W]
Floats = NDArray[np.float32]


def bleed_colours(colour: Colour, alpha: Alpha) -> Colour:
    """Give fully transparent pixels the colours of the visible ones around them.

    The colours of such pixels are arbitrary, but a model would mix them into the edges. Each takes
    the mean of the smallest square of a pyramid that contains a visible pixel (push-pull: Gortler
    et al., "The Lumigraph", 1996, section 3.4). Other pixels are unchanged.
    """
    visible = alpha > 0
    if visible.all() or not visible.any():
        return colour
    height, width = alpha.shape
    weights = visible.astype(np.float32)[:, :, None]
    filled = _fill(_halved(colour * visible[:, :, None]), _halved(weights))
    around = _doubled(filled, height, width)
    rounded = np.clip(np.rint(around), 0, 255).astype(np.uint8)
    return np.where(visible[:, :, None], colour, rounded)


def _fill(sums: Floats, weights: Floats) -> Floats:
    """Return the means `[H, W, C]` of sums by weights; where a weight is 0, those around it."""
    means = (sums / np.maximum(weights, 1)).astype(np.float32)
    if (weights > 0).all():
        return means
    height, width, _ = sums.shape
    around = _doubled(_fill(_halved(sums), _halved(weights)), height, width)
    return np.where(weights > 0, means, around)


def _halved(values: NDArray[np.generic]) -> Floats:
    """Return the sums of 2x2 squares. Missing values at the end count as 0."""
    height, width, _ = values.shape
    sums = np.zeros((-(-height // 2), -(-width // 2), values.shape[2]), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            part = values[row::2, column::2]
            sums[: part.shape[0], : part.shape[1]] += part
    return sums


def _doubled(values: Floats, height: int, width: int) -> Floats:
    """Repeat each value as a square of 2x2, and crop to a size."""
    return values.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def keep_plateaus(enlarged: Alpha, alpha: Alpha, start: int, stop: int, scale: int) -> None:
    """Set the alpha of enlarged rows, in place, where the picture's alpha is uniformly 0 or 255.

    `enlarged` is uint8 `[scale·(stop - start), scale·W]`, of rows `start` to `stop` of `alpha`
    `[H, W]`. A pixel is uniform if its 3x3 neighbours have the same value.
    """
    around = alpha[max(0, start - 1) : stop + 1]
    missing = (int(start == 0), int(stop == len(alpha)))
    padded = np.pad(around, (missing, (1, 1)), mode="edge")
    for value in (0, 255):
        flat = _all_around(padded == value)
        enlarged[flat.repeat(scale, axis=0).repeat(scale, axis=1)] = value


def _all_around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a mask `[h + 2, w + 2]` is true for all 3x3 neighbours, bool `[h, w]`."""
    rows = mask[:-2] & mask[1:-1] & mask[2:]
    return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
