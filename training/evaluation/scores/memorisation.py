"""Memorised images: closer to a training image than all images unrelated to that image.

The threshold is relative because some training images have close neighbours and others have none.
Related images, such as the same person in another skin tone, are as close to each other as copies
are, so they do not count as neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.scores.metrics import squared_distances
from mirage.training.evaluation.scores.sliced_wasserstein import over_white
from mirage.training.media.pixels import to_float

MAX_SIDE = 32
"""Pixels per side at which images are compared, at most."""
ROWS = 256


def appearance(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> float32 [N, D]: pixels over white, reduced by area averaging.

    No network is involved: features of a classifier can ignore what makes an image a copy.
    """
    grey = images.shape[3] == 1
    parts = (images[at : at + ROWS] for at in range(0, len(images), ROWS))
    planes = (to_float(part) / 2 + 0.5 if grey else over_white(part) for part in parts)
    return torch.cat([_small(part) for part in planes]).numpy()


def _small(planes: torch.Tensor) -> torch.Tensor:
    height, width = (min(side, MAX_SIDE) for side in planes.shape[2:])
    return F.adaptive_avg_pool2d(planes, (height, width)).flatten(1)


@dataclass(frozen=True)
class Neighbourhoods:
    """Images with the distances to their nearest unrelated training images.

    features: float32 [M, D]. groups: int64 [M]. first: squared distance float64 [M] to the nearest
    training image of another group. first_group: the group int64 [M] of that image. second: squared
    distance float64 [M] to the nearest training image of a third group.
    """

    features: np.ndarray
    groups: np.ndarray
    first: np.ndarray
    first_group: np.ndarray
    second: np.ndarray

    def memorised(self, features: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Whether features [N, D] are closer to an image than its unrelated neighbours: bool [N].

        own: groups int64 [N] of the features if they are of real images. Images of the same group
        are ignored, both as nearest images and as their neighbours.
        """
        kin = np.full(len(features), -1) if own is None else own
        found = []
        for rows, distances in _blocks(features, self.features):
            distances[self.groups == kin[rows, None]] = np.inf
            nearest = distances.argmin(1)
            third = self.first_group[nearest] == kin[rows]
            usual = np.where(third, self.second[nearest], self.first[nearest])
            found.append(distances.min(1) < usual)
        return np.concatenate(found)


def neighbourhoods(
    features: np.ndarray,
    groups: np.ndarray,
    training: np.ndarray | None = None,
    training_groups: np.ndarray | None = None,
) -> Neighbourhoods:
    """Find the nearest unrelated training images of images with features [M, D], groups int64 [M].

    training, training_groups: of the training images; None if the images are the training images.
    """
    among = features if training is None else training
    kinds = groups if training_groups is None else training_groups
    first, first_group, second = (np.empty(len(features), t) for t in (float, np.int64, float))
    for rows, distances in _blocks(features, among):
        distances[kinds == groups[rows, None]] = np.inf
        nearest = distances.argmin(1)
        first[rows], first_group[rows] = distances.min(1), kinds[nearest]
        distances[kinds == first_group[rows, None]] = np.inf
        second[rows] = distances.min(1)
    return Neighbourhoods(features, groups, first, first_group, second)


def _blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows of the squared distances float64 [N, M], which bounds the memory."""
    for start in range(0, len(a), ROWS):
        rows = slice(start, start + ROWS)
        yield rows, squared_distances(a[rows], b)


class Memorisation:
    """Scores generated images against training images with groups.

    train: mirrored if the training used mirrored images. test: held-out images of other groups, or
    None. floor: the scores of real images: of the held-out images, or without them of the training
    images, each compared with other groups only.
    """

    def __init__(self, train: Dataset, test: Dataset | None = None) -> None:
        groups = _groups(train)
        shown = appearance(train.images)
        self._training = neighbourhoods(shown, groups)
        self._held_out = None
        real, own = shown, groups
        if test is not None:
            real, own = appearance(test.images), _groups(test)
            self._held_out = neighbourhoods(real, own, shown, groups)
        self.floor = self._shares(real, own)

    def compare(self, images: np.ndarray) -> dict[str, float]:
        """Scores in [0, 1] of generated images uint8 [N, H, W, C], by name.

        `memorised_groups`: the share closer to a training image than all unrelated images are.
        `memorised_unseen`: the same share for held-out images, which a model cannot have copied;
        missing if there are none.
        """
        return self._shares(appearance(images), None)

    def _shares(self, features: np.ndarray, own: np.ndarray | None) -> dict[str, float]:
        sides = {"memorised_groups": self._training, "memorised_unseen": self._held_out}
        return {
            name: float(side.memorised(features, own).mean())
            for name, side in sides.items()
            if side is not None
        }


def _groups(data: Dataset) -> np.ndarray:
    assert data.groups is not None
    return data.groups
