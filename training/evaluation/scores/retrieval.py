"""How often the right picture is the nearest of all."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 32
"""Side of the squares that are compared, in pixels."""


def share_found(images: Sequence[np.ndarray], candidates: Sequence[np.ndarray]) -> float:
    """The share in [0, 1] of images uint8 [H, W, C] whose candidate is the nearest of all.

    The candidate of an image has its index. Distances are mean absolute differences of pixels,
    after a reduction to SIDE x SIDE pixels.
    """
    made, real = (np.stack([_square(image) for image in each]) for each in (images, candidates))
    nearest = [int(np.abs(real - image).mean(axis=(1, 2, 3)).argmin()) for image in made]
    return float(np.mean(np.array(nearest) == np.arange(len(made))))


def _square(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(pixels.squeeze()).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(picture, np.float32).reshape(SIDE, SIDE, -1)
