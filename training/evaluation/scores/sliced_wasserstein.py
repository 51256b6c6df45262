"""Distance of colours, shapes and details from real images, without a feature network.

Sliced Wasserstein distances of 7x7 patches at two levels of a Laplacian pyramid, as in Karras et
al., "Progressive Growing of GANs", ICLR 2018, section 5, and of thumbnails, which cover the whole
image.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MAX_IMAGES = 2_000
"""Images of each side: 64,000 patches, about 40 MB per level."""
PATCH = 7
PATCHES = 32
"""Patches per image and level."""
DIRECTIONS = 256
AT_ONCE = 32
"""Directions projected at a time, which bounds memory."""
THUMBNAIL = 16
LEVELS = ("swd_fine", "swd_middle")
PER_MILLE = 1_000


class SlicedWasserstein:
    """Compares images with two sets of real images uint8 [N, H, W, 3 or 4].

    floor: the distances between the two sets.
    """

    def __init__(self, reference: np.ndarray, held_out: np.ndarray) -> None:
        self._sides = reference, held_out
        self.floor = sliced_distances(reference, held_out)

    def compare(self, images: np.ndarray) -> dict[str, float]:
        """Mean distances to both sets, for as many images as each has."""
        first, second = (sliced_distances(side, images) for side in self._sides)
        return {name: (first[name] + second[name]) / 2 for name in first}


def sliced_distances(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Distances of two sets uint8 [N, H, W, 3 or 4] over white, in thousandths of the range.

    `swd_fine` and, for sides of at least 14 pixels, `swd_middle` use patches; `swd_thumbnails` uses
    whole images. 0 for equal sets.
    """
    rng = np.random.Generator(np.random.Philox(3))
    first, second = over_white(a), over_white(b)
    scores = {}
    for name, one, other in zip(LEVELS, pyramid(first), pyramid(second), strict=False):
        top, left = _places(one, rng)
        scores[name] = _distance(_patches(one, top, left), _patches(other, top, left), rng)
    scores["swd_thumbnails"] = _distance(_thumbnails(first), _thumbnails(second), rng)
    return scores


def over_white(images: np.ndarray) -> Tensor:
    """Composite uint8 [N, H, W, 3 or 4] over white: float32 [N, 3, H, W] in [0, 1]."""
    shares = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 255
    if images.shape[3] == 3:
        return shares
    return 1 - (1 - shares[:, :3]) * shares[:, 3:]


def pyramid(images: Tensor) -> list[Tensor]:
    """The Laplacian pyramid of [N, 3, H, W], down to the smallest level with room for patches."""
    levels: list[Tensor] = []
    while len(levels) < len(LEVELS) and min(images.shape[2:]) >= PATCH:
        smaller = F.avg_pool2d(images, 2)
        size = (images.shape[2], images.shape[3])
        levels.append(images - F.interpolate(smaller, size, mode="bilinear", align_corners=False))
        images = smaller
    return levels


def _places(images: Tensor, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Corners of random patches, int64 [N, PATCHES, 1, 1] each."""
    count, _, height, width = images.shape
    top = rng.integers(0, height - PATCH + 1, (count, PATCHES, 1, 1))
    return top, rng.integers(0, width - PATCH + 1, (count, PATCHES, 1, 1))


def _patches(images: Tensor, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    """float32 [N * PATCHES, 3 * PATCH * PATCH]."""
    row, column = np.arange(PATCH)[:, None], np.arange(PATCH)
    each = np.arange(len(images))[:, None, None, None]
    found = images.numpy()[each, :, top + row, left + column]
    return found.reshape(len(images) * PATCHES, -1)


def _thumbnails(images: Tensor) -> np.ndarray:
    height, width = (min(side, THUMBNAIL) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images, (height, width)).flatten(1).numpy()


def _distance(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> float:
    """The mean distance of sorted projections of float32 [N, D] on random directions."""
    directions = rng.standard_normal((a.shape[1], DIRECTIONS), dtype=np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    means = []
    for start in range(0, DIRECTIONS, AT_ONCE):
        some = directions[:, start : start + AT_ONCE]
        means.append(np.abs(np.sort(a @ some, axis=0) - np.sort(b @ some, axis=0)).mean())
    return PER_MILLE * float(np.mean(means))
