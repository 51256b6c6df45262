"""How many images `evaluate --fast` uses, so that it takes about a minute on any machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.data.findings import LEAST_DATA
from mirage.training.evaluation.classifier import fit
from mirage.training.evaluation.feature_networks import MNIST
from mirage.training.evaluation.samples import SOUGHT, generate_images, proportional_labels
from mirage.training.evaluation.scorecard import FAST_DATA, Sizes
from mirage.training.evaluation.scores.sliced_wasserstein import MAX_IMAGES, sliced_distances

BUDGET_S = 45.0
"""For all work that grows with the number of images; the rest of a minute is for loading."""
LEAST_SHARE = 1 / 128
"""The smallest part of 12,000 images; they are halved from one part to the next, so that
evaluations on one machine usually have the same sizes and can be compared."""
PROBE = 16
"""Generated images, beyond the first, whose time is taken."""
PROBE_FIT = 256
"""Images shown to a classifier, beyond the first batch, whose time is taken."""
BATCH = 128
SHOWN_TO_FIT = 3
"""Forward passes that showing an image in training costs: the backward pass takes two."""
COMPARISONS = 5
"""Sliced distances per evaluation: two of generated, two of collapsed images, one of real ones."""


@dataclass(frozen=True)
class Costs:
    """Seconds per image: shown to a feature network in training, generated, and compared by its
    patches."""

    fit_s: float
    generate_s: float
    patches_s: float

    def of(self, sizes: Sizes, seeds: int = 1) -> float:
        """Seconds of an evaluation; its other work hardly depends on the number of images."""
        # the sheet of nearest neighbours generates up to SOUGHT images once more
        generated = seeds * sizes.generated + min(SOUGHT, sizes.generated)
        seen = sizes.reference + sizes.generated + generated
        return (
            self.fit_s * (sizes.fit_images + seen / SHOWN_TO_FIT)
            + self.generate_s * generated
            + self.patches_s * COMPARISONS * min(sizes.generated, MAX_IMAGES)
        )


def fast_sizes(train: Dataset, models: Sequence[bytes], seeds: int = 1) -> Sizes:
    """The largest sizes with which an evaluation of the models takes about a minute.

    Raises DataError if the data have too few images for scores.
    """
    Sizes.of(len(train))
    return choose_sizes(len(train), measure(train, models), seeds)


def choose_sizes(images: int, costs: Costs, seeds: int = 1) -> Sizes:
    """The largest sizes whose cost is within `BUDGET_S`, or the smallest ones."""
    share = 1.0
    while True:
        most = max(LEAST_DATA, round(FAST_DATA * share))
        sizes = Sizes.of(images, fast=True, most=most)
        if share <= LEAST_SHARE or costs.of(sizes, seeds) <= BUDGET_S:
            return sizes
        share /= 2


def is_short_of_time(sizes: Sizes, images: int) -> bool:
    """Whether the minute limits the sizes of a quick evaluation, rather than the data."""
    return sizes.generated < Sizes.of(images, fast=True).generated


def measure(train: Dataset, models: Sequence[bytes]) -> Costs:
    """Time a few images of each kind of work; several models cost as much as all of them."""
    shown = train.images[np.arange(PROBE_FIT + BATCH) % len(train)]
    fits = train.fingerprint != MNIST
    colour = train.images.shape[3] > 1
    some = train.images[np.arange(PROBE) % len(train)]
    return Costs(
        fit_s=_marginal(lambda count: fit(shown[:count], None, 1, 0, BATCH), BATCH, PROBE_FIT)
        if fits
        else 0.0,
        generate_s=sum(_generating(model, train) for model in models),
        patches_s=_marginal(
            lambda count: sliced_distances(some[:count], some[:count]), 1, PROBE - 1
        )
        if colour
        else 0.0,
    )


def _generating(model: bytes, train: Dataset) -> float:
    labels = None if train.labels is None else proportional_labels(train.labels, PROBE + 1)

    def generate(count: int) -> None:
        generate_images(model, count, None if labels is None else labels[:count])

    return _marginal(generate, 1, PROBE)


def _marginal(work: Callable[[int], object], first: int, more: int) -> float:
    """Seconds per image of `more` images, without what the `first` ones cost."""
    started = time.perf_counter()
    work(first)
    middle = time.perf_counter()
    work(first + more)
    return max(0.0, (time.perf_counter() - middle) - (middle - started)) / more
