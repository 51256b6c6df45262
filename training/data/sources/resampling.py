"""Sounds at another sample rate."""

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

ZERO_CROSSINGS = 16
"""Of the filter, to either side; at 16 a sine a tenth below half the rate loses under 0.1 dB."""
ROLLOFF = 0.95
"""Cut-off of the filter relative to half the lower rate."""
BETA = 10.0
"""Of the Kaiser window, whose side lobes are 100 dB below."""


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Convert float32 [T] from `rate` to `new_rate` Hz: float32 [ceil(T * new_rate / rate)].

    Band-limited interpolation with a windowed sinc (Smith & Gossett, "A flexible sampling-rate
    conversion method", ICASSP 1984): one short filter for each of the positions that new samples
    have between old ones.
    """
    divisor = math.gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    if old == new:
        return samples
    filters, reach = _filters(old, new)
    count = -(-len(samples) * new // old)
    steps = -(-count // new)
    padded = F.pad(torch.from_numpy(samples)[None, None], (reach, reach + steps * old))
    places = F.conv1d(padded, filters, stride=old)[0, :, :steps]
    return places.T.reshape(-1)[:count].numpy()


@lru_cache(maxsize=16)
def _filters(old: int, new: int) -> tuple[torch.Tensor, int]:
    """A filter for each place of a new sample, float32 [new, 1, taps], and its reach."""
    cutoff = ROLLOFF * min(1.0, new / old)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    times = np.arange(-reach, reach + old)[None] - np.arange(new)[:, None] * old / new
    inside = np.clip(times * cutoff / ZERO_CROSSINGS, -1, 1)
    window = np.i0(BETA * np.sqrt(1 - inside**2)) / np.i0(BETA)
    taps = cutoff * np.sinc(times * cutoff) * window * (np.abs(times) <= reach)
    return torch.from_numpy(taps.astype(np.float32))[:, None], reach
