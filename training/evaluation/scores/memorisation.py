"""Which images are copies: nearer to a training image than any that is no kin of it.

A fixed distance says nothing, as some images have many like them. Kin, such as one person in other
skin tones, are left out, for they lie as near to each other as copies do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mirage.training.data.dataset import Dataset
from mirage.training.data.sources.pixels import to_float
from mirage.training.evaluation.scores.metrics import squared_distances
from mirage.training.evaluation.scores.sliced_wasserstein import over_white

MOST_SIDE = 32
"""Images are compared at no more than this many pixels a side."""
ROWS = 256


def appearance(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> float32 [N, D]: pixels over white, as means of areas.

    They know no network, so that a copy is near whatever a network was trained to tell apart.
    """
    grey = images.shape[3] == 1
    parts = (images[at : at + ROWS] for at in range(0, len(images), ROWS))
    planes = (to_float(part) / 2 + 0.5 if grey else over_white(part) for part in parts)
    return torch.cat([_small(part) for part in planes]).numpy()


def _small(planes: torch.Tensor) -> torch.Tensor:
    height, width = (min(side, MOST_SIDE) for side in planes.shape[2:])
    return F.adaptive_avg_pool2d(planes, (height, width)).flatten(1)


@dataclass(frozen=True)
class Neighbourhoods:
    """Images, and how near to each of them others of other groups come.

    features: float32 [M, D]. groups: int64 [M]. first: squared distance float64 [M] to the nearest
    training image of another group, and first_group its group int64 [M]. second: of a third group.
    """

    features: np.ndarray
    groups: np.ndarray
    first: np.ndarray
    first_group: np.ndarray
    second: np.ndarray

    def memorised(self, features: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Which of features [N, D] lie nearer to one of these than all that is no kin: bool [N].

        own: the group of each, if they are real; images of it are left out on either side.
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
    """Of images with features [M, D] and groups int64 [M], among training images.

    training, training_groups: as features and groups; None for images that are themselves those
    trained on.
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
    """Rows of the squared distances float64 [N, M], so that they are never held whole."""
    for start in range(0, len(a), ROWS):
        rows = slice(start, start + ROWS)
        yield rows, squared_distances(a[rows], b)


class Memorisation:
    """Training images, and what generated ones score beside them.

    train: with groups, mirrored if the training saw them so. test: images of other groups, or None.
    floor: the shares of real images: of those held out, or without such of the training images,
    each beside the other groups alone.
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
        """Of generated images uint8 [N, H, W, C]: shares in [0, 1] by name.

        `memorised_groups`: nearer to a training image than all that is no kin of that.
        `memorised_unseen`: the same beside images that were held out, which nobody can have copied;
        without such it is left out.
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
