"""The nearest among many features: sought in blocks of float32, measured in float64."""

import numpy as np
import torch
from tqdm import tqdm

ROWS = 128
SPARE = 4
"""More candidates than are asked for, lest rounding leave out one that is as near."""


@torch.inference_mode()
def find_nearest(
    features: np.ndarray, among: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` features [M, D] of `among` that lie nearest to each of float [N, D].

    Answers squared distances float64 [N, count], least first, and indices int64 [N, count]; of
    equals the first stands first. At no time are more than 128 x M distances held.
    """
    centre = among.mean(0, dtype=np.float64)  # differences of small numbers lose the least
    sought, found = (torch.from_numpy(side - centre).float() for side in (features, among))
    found_squares = found.square().sum(1)
    candidates = min(count + SPARE, len(among))
    block = torch.empty(ROWS, len(among))
    distances, indices = [], []
    with tqdm(total=len(features), desc="neighbours", unit="img", leave=False) as bar:
        for start in range(0, len(features), ROWS):
            rows = slice(start, start + ROWS)
            near = block[: len(sought[rows])]
            torch.addmm(found_squares, sought[rows], found.T, alpha=-2, out=near)
            chosen = near.topk(candidates, largest=False).indices.sort().values.numpy()
            exact = np.square(features[rows, None].astype(np.float64) - among[chosen]).sum(2)
            order = exact.argsort(axis=1, kind="stable")[:, :count]
            distances.append(np.take_along_axis(exact, order, axis=1))
            indices.append(np.take_along_axis(chosen, order, axis=1))
            bar.update(len(near))
    return np.concatenate(distances), np.concatenate(indices)
