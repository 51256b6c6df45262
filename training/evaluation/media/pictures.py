"""Scores of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.fast import fast_sizes
from mirage.training.evaluation.feature_networks import FeatureNetwork, features_for
from mirage.training.evaluation.reference import Split
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.evaluation.scores.metrics import translucent_share


class PictureYardstick:
    """Features of a classifier, and the share of translucent pixels of RGBA."""

    def __init__(self, train: Dataset, split: Split) -> None:
        self._train, self._split = train, split

    def network(self, sizes: Sizes, cache: Path | None) -> FeatureNetwork:
        return features_for(self._train, self._split.reference, sizes, cache)

    @property
    def has_patches(self) -> bool:
        return self._train.images.shape[3] > 1

    def fast_sizes(self, models: Sequence[bytes], seeds: int) -> Sizes:
        return fast_sizes(self._train, models, seeds)

    def measure(self, stored: np.ndarray) -> dict[str, float]:
        return {"translucent": translucent_share(stored)} if stored.shape[3] == 4 else {}

    def floor(self) -> dict[str, float]:
        return self.measure(self._train.images[self._split.held_out])
