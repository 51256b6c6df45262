"""Scores of sounds: features of their spectrograms, and the distance of log-mel statistics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.feature_networks import FeatureNetwork, features_for
from mirage.training.evaluation.media.log_mel import log_mel_statistics
from mirage.training.evaluation.reference import Split
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.evaluation.scores.metrics import frechet_distance
from mirage.training.media.sound import Sound


@dataclass(frozen=True)
class SpectrogramFeatures:
    """Features of the spectrograms of sounds int16 [N, T], by a network for images."""

    network: FeatureNetwork
    pictures: Callable[[np.ndarray], np.ndarray]

    @property
    def name(self) -> str:
        return f"{self.network.name}, by spectrograms"

    @property
    def sha256(self) -> str:
        return self.network.sha256

    def __call__(self, sounds: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return self.network(self.pictures(sounds))


class SoundYardstick:
    """Features of a classifier of spectrograms, and a distance that depends on no network."""

    has_patches = False

    def __init__(self, train: Dataset, split: Split, medium: Sound) -> None:
        self._train, self._split, self._medium = train, split, medium

    def network(self, sizes: Sizes, cache: Path | None) -> FeatureNetwork:
        pictures = self._medium.pictures
        drawn = replace(
            self._train, images=pictures(np.asarray(self._train.images)), recorded_medium=None
        )
        return SpectrogramFeatures(
            features_for(drawn, self._split.reference, sizes, cache), pictures
        )

    def fast_sizes(self, models: Sequence[bytes], seeds: int) -> Sizes:
        return Sizes.of(len(self._train), fast=True)

    def measure(self, stored: np.ndarray) -> dict[str, float]:
        statistics = log_mel_statistics(stored, self._medium.sample_rate)
        return {"mel_frechet": frechet_distance(statistics, self._reference)}

    def floor(self) -> dict[str, float]:
        return self.measure(self._train.images[self._split.held_out])

    @cached_property
    def _reference(self) -> np.ndarray:
        sounds = self._train.images[self._split.reference]
        return log_mel_statistics(sounds, self._medium.sample_rate)
