"""The interface of what depends on the medium in an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mirage.training.evaluation.feature_networks import FeatureNetwork
from mirage.training.evaluation.scorecard import Sizes


class Yardstick(Protocol):
    """Features of stored samples [N, …] of one data set, and scores that need no features."""

    def network(self, sizes: Sizes, cache: Path | None) -> FeatureNetwork:
        """The feature network, which has seen the reference only."""

    @property
    def has_patches(self) -> bool:
        """Whether samples are compared by their patches, too."""

    def fast_sizes(self, models: Sequence[bytes], seeds: int) -> Sizes:
        """The sizes with which an evaluation of graphs takes about a minute."""

    def measure(self, stored: np.ndarray) -> dict[str, float]:
        """Scores of generated samples by name."""

    def floor(self) -> dict[str, float]:
        """The same scores of the held-out samples."""
