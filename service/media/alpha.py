"""Transparency: prepares it for models of pictures, and keeps it exact."""

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.uint8]  # [H, W, C]
Alpha = NDArray[np.uint8]  # [H, W]
Floats = NDArray[np.float32]

LEVELS = 6  # of the pyramid within a band of rows
BAND = 2**LEVELS


def bleed_colours(colour: Colour, alpha: Alpha, out: Colour | None = None) -> Colour:
    """Give fully transparent pixels the colours of the visible ones around them.

    The colours of such pixels are arbitrary, but a model would mix them into the edges. Each takes
    the mean of the smallest square of a pyramid that contains a visible pixel (push-pull: Gortler
    et al., "The Lumigraph", 1996, section 3.4). Other pixels are unchanged.

    The result is written to `out`, which may be `colour`; by default it is a copy. Only one band of
    rows at a time is in memory as float32.
    """
    out = colour.copy() if out is None else out
    if alpha.all() or not alpha.any():
        return out
    bands = [slice(start, start + BAND) for start in range(0, len(alpha), BAND)]
    totals = [_total(*_visible(colour[rows], alpha[rows])) for rows in bands]
    sums, weights = (np.concatenate(parts) for parts in zip(*totals, strict=True))
    means = _fill(sums, weights)
    for number, rows in enumerate(bands):
        _bleed_band(out[rows], alpha[rows], means[number : number + 1])
    return out


def _visible(colour: Colour, alpha: Alpha) -> tuple[Floats, Floats]:
    """Return the sums of visible pixels in squares of 2x2, `[h, w, C]`, and their number."""
    visible = (alpha > 0)[:, :, None]
    return _halved(colour * visible), _halved(visible)


def _total(sums: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Add up a band's squares of 2x2 to those of BAND pixels."""
    for _ in range(LEVELS - 1):
        sums, weights = _halved(sums), _halved(weights)
    return sums, weights


def _bleed_band(colour: Colour, alpha: Alpha, around: Floats) -> None:
    """Bleed the colours of a band in place; `around` are the means of squares of BAND pixels."""
    hidden = alpha == 0
    if not hidden.any():
        return
    means = _fill(*_visible(colour, alpha), around, LEVELS - 1)
    doubled = _doubled(means, *alpha.shape)
    colour[hidden] = np.clip(np.rint(doubled[hidden]), 0, 255).astype(np.uint8)


def _fill(
    sums: Floats, weights: Floats, coarsest: Floats | None = None, levels: int | None = None
) -> Floats:
    """Return the means `[H, W, C]` of sums by weights; where a weight is 0, those around it.

    `coarsest` are the means so many `levels` up, where they are known.
    """
    if levels == 0:
        assert coarsest is not None
        return coarsest
    means = (sums / np.maximum(weights, 1)).astype(np.float32)
    if (weights > 0).all():
        return means
    height, width, _ = sums.shape
    above = None if levels is None else levels - 1
    filled = _fill(_halved(sums), _halved(weights), coarsest, above)
    return np.where(weights > 0, means, _doubled(filled, height, width))


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
