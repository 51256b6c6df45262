"""Evaluation of exported graphs relative to real data."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mirage.bundle.format.manifest import Score
from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.feature_networks import FeatureNetwork, features_for
from mirage.training.evaluation.media.choice import yardstick_of
from mirage.training.evaluation.reference import (
    METHOD,
    Reference,
    load_reference,
    one_per_class,
    scatter,
    split,
)
from mirage.training.evaluation.samples import generate_images, proportional_labels, takes_labels
from mirage.training.evaluation.scorecard import Scorecard, Sizes, read_scorecard, write_scorecard
from mirage.training.evaluation.scores.memorisation import Memorisation
from mirage.training.evaluation.scores.metrics import agreement
from mirage.training.evaluation.scores.sliced_wasserstein import MAX_IMAGES, SlicedWasserstein
from mirage.training.media.images import Images

SELF_SUPERVISED = ("frechet", "kernel", "precision", "recall", "coverage", "memorised")
COVERED_SCORES = {"precision", "recall", "density", "coverage", "memorised"}


class Evaluator:
    """Scores models against real data, whose features are computed once.

    network, sizes, cache: None uses that of the medium, `Sizes.of` and `default_cache`. A test
    split equal to the training data is ignored. Of mirrored data only the originals are used, so
    that no image is held out while its mirror image is in the reference.
    """

    def __init__(
        self,
        train: Dataset,
        test: Dataset | None = None,
        *,
        sizes: Sizes | None = None,
        network: FeatureNetwork | None = None,
        cache: Path | None = None,
    ) -> None:
        self.shown = train
        self.train = train.original
        self.test = test if test and test.fingerprint != self.train.fingerprint else None
        self.sizes = sizes or Sizes.of(len(self.train))
        self.cache = cache
        self.split = split(len(self.train), self.sizes)
        self.yardstick = yardstick_of(self.train, self.split)
        self.network = network or self.yardstick.network(self.sizes, cache)

    @property
    def data_fingerprint(self) -> str:
        """Of the data as used for training, including mirroring."""
        return self.shown.fingerprint

    @cached_property
    def reference(self) -> Reference:
        """Features and scores of the real images."""
        return load_reference(self.network, self.train, self.test, self.sizes, self.cache)

    @cached_property
    def sliced(self) -> SlicedWasserstein | None:
        """Sliced distances of the real images; None for grey images and other media."""
        if not self.yardstick.has_patches:
            return None
        parts = self.split.reference, self.split.held_out
        return SlicedWasserstein(*(self.train.images[self._some(part)] for part in parts))

    @cached_property
    def memorisation(self) -> Memorisation | None:
        """Scores of memorisation by groups; None for data without groups, and other media."""
        grouped = self.shown.groups is not None and isinstance(self.shown.medium, Images)
        return Memorisation(self.shown, self._held_out_groups) if grouped else None

    @property
    def _held_out_groups(self) -> Dataset | None:
        """Held-out images in other groups than the training images; None for other test splits."""
        return self.test if self.train.options.held_out else None

    def _some(self, items: np.ndarray) -> np.ndarray:
        """A random subset of at most the number of images that sliced distances use."""
        return items[scatter(len(items))[: min(self.sizes.generated, MAX_IMAGES)]]

    @cached_property
    def floor(self) -> dict[str, float]:
        """The scores of real images."""
        floor = self.reference.floor.copy()
        for side in (self.sliced, self.memorisation):
            floor |= side.floor if side else {}
        return floor | self.yardstick.floor()

    @cached_property
    def collapsed(self) -> dict[str, float]:
        """The scores of one real image per class, repeated."""
        if self.sliced is None:
            return self.reference.collapsed
        held_out, labels = self._some(self.split.held_out), self.train.labels
        chosen = one_per_class(None if labels is None else labels[held_out], len(held_out))
        return self.reference.collapsed | self.sliced.compare(self.train.images[held_out[chosen]])

    def score(self, model: bytes, seeds: int = 1) -> Scorecard:
        """Score an exported graph: seeds 0 … 9,999 with index 0, truncation 1.

        seeds: number of repetitions with other seeds; all but the first only determine the spread.
        Raises DataError if the model's images have another size than the data's.
        """
        began = time.perf_counter()
        draws = [self._measure(model, draw) for draw in range(seeds)]
        return Scorecard(
            scores={name: self._score(name, value) for name, value in draws[0].items()},
            spread=_spread(draws),
            collapsed=self.collapsed,
            seeds=seeds,
            network=self.network.name,
            network_sha256=self.network.sha256,
            data_fingerprint=self.train.fingerprint,
            sizes=asdict(self.sizes),
            method=METHOD,
            full=self.sizes.full,
            seconds=round(time.perf_counter() - began, 1),
        )

    def _measure(self, model: bytes, draw: int) -> dict[str, float]:
        count = self.sizes.generated
        requested = self.requested_labels(count)
        images = self.generate(model, requested, draw * count)
        features, predicted = self.network(images)
        scores = self.reference.compare(features)
        if self.sliced:
            scores |= self.sliced.compare(self._some(images))
        if self.memorisation:
            scores |= self.memorisation.compare(images)
        scores |= self.yardstick.measure(images)
        if predicted is not None and requested is not None and takes_labels(model):
            return {"agreement": agreement(predicted, requested), **scores}
        return scores

    def requested_labels(self, count: int) -> np.ndarray | None:
        """Labels int64 [count] in the proportions of the data; None for data without classes."""
        labels = self.train.labels
        return None if labels is None else proportional_labels(labels, count)

    def generate(
        self, model: bytes, requested: np.ndarray | None, first_seed: int, count: int = 0
    ) -> np.ndarray:
        """Generate samples of the form of the data, such as images uint8 [N, H, W, C]."""
        images = generate_images(model, count or self.sizes.generated, requested, first_seed)
        if images.shape[1:] != self.train.images.shape[1:]:
            raise DataError(
                f"the model makes {self.train.medium.noun} {images.shape[1:]} and the data are "
                f"{self.train.images.shape[1:]}"
            )
        return images

    def _score(self, name: str, value: float) -> Score:
        n = self.sizes.covered if name in COVERED_SCORES else self.sizes.generated
        n = min(n, MAX_IMAGES) if name.startswith("swd") else n
        return Score(value=value, floor=self.floor.get(name), n=n)


def _spread(draws: list[dict[str, float]]) -> dict[str, float]:
    """The standard deviation of each score over the seeds; empty for one."""
    if len(draws) < 2:
        return {}
    return {name: float(np.std([draw[name] for draw in draws], ddof=1)) for name in draws[0]}


def scores_by(
    network: FeatureNetwork,
    evaluator: Evaluator,
    model: bytes,
    suffix: str,
    names: Sequence[str] = ("frechet", "kernel"),
) -> dict[str, Score]:
    """Scores in the features of another network, named `frechet_{suffix}` and so on."""
    other = Evaluator(
        evaluator.train,
        evaluator.test,
        sizes=evaluator.sizes,
        network=network,
        cache=evaluator.cache,
    )
    scores = other.score(model).scores
    return {f"{name}_{suffix}": scores[name] for name in names}


def self_supervised_scores(evaluator: Evaluator, model: bytes) -> dict[str, Score]:
    """Scores in the features of a network that was trained without the classes of the data.

    Features of a classifier ignore all differences within a class.
    """
    unlabelled = replace(evaluator.train, labels=None)
    shown, sizes = evaluator.split.reference, evaluator.sizes
    network = features_for(unlabelled, shown, sizes, evaluator.cache)
    return scores_by(network, evaluator, model, "self_supervised", SELF_SUPERVISED)


class Scoring:
    """Scores graphs against the same data at the same sizes; made ready when first needed."""

    def __init__(self, folder: Path, data: Dataset, test: Dataset, sizes: Sizes | None) -> None:
        self.folder = folder
        self.data, self.test = data.original, test
        self.sizes = sizes or Sizes.of(len(self.data))

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.data, self.test, sizes=self.sizes)

    def score(self, model: bytes) -> Scorecard:
        """The scorecard of a graph: the kept one, if this Mirage made it of the same data."""
        path = self.folder / f"{self._key(model)}.json"
        card = read_scorecard(path)
        if card is None:
            card = self._evaluator.score(model)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_scorecard(path, card)
        return card

    def _key(self, model: bytes) -> str:
        """Of all that the scores depend on."""
        data = (self.data.fingerprint, self.test.fingerprint, asdict(self.sizes))
        program = (version("mirage-gan"), METHOD)
        content = json.dumps([hashlib.sha256(model).hexdigest(), data, program])
        return hashlib.sha256(content.encode()).hexdigest()[:32]
