"""`evaluate --fast` takes about a minute: it chooses the numbers of images by their cost."""

from dataclasses import replace

import numpy as np
import pytest

from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.fast import (
    BUDGET_S,
    Costs,
    choose_sizes,
    fast_sizes,
    is_short_of_time,
    measure,
)
from mirage.training.evaluation.scorecard import Sizes
from tests.bundles import Toy

QUICK = Costs(fit_s=1e-4, generate_s=1e-4, patches_s=1e-4)


def colour(count: int) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return Dataset(images, None, (), "f" * 64)


def test_a_quick_machine_uses_12000_images() -> None:
    assert choose_sizes(60_000, QUICK) == Sizes.of(60_000, fast=True)
    assert choose_sizes(300, QUICK) == Sizes.of(300, fast=True)


@pytest.mark.parametrize("kind", ["fit_s", "generate_s", "patches_s"])
def test_dear_images_are_fewer_and_stay_within_the_time(kind: str) -> None:
    costs = replace(QUICK, **{kind: 0.02})
    sizes = choose_sizes(60_000, costs)
    assert costs.of(sizes) <= BUDGET_S
    assert sizes.generated < 2_000
    larger = Sizes.of(60_000, fast=True, most=2 * (sizes.reference + sizes.generated))
    assert costs.of(larger) > BUDGET_S


def test_few_pictures_are_all_used_and_the_feature_network_learns_for_less_time() -> None:
    costs = replace(QUICK, fit_s=0.01)
    sizes = choose_sizes(300, costs)
    assert sizes.reference + sizes.generated == 300
    assert sizes.fit_images < Sizes.of(300, fast=True).fit_images
    assert costs.of(sizes) <= BUDGET_S


@pytest.mark.parametrize(
    ("images", "generate_s", "short"),
    [(300, 1e-4, False), (60_000, 1e-4, False), (60_000, 0.02, True)],
)
def test_tells_whether_the_time_is_the_limit(images: int, generate_s: float, short: bool) -> None:
    sizes = choose_sizes(images, replace(QUICK, generate_s=generate_s))
    assert is_short_of_time(sizes, images) == short


def test_each_seed_counts() -> None:
    costs = replace(QUICK, generate_s=0.01)
    assert choose_sizes(60_000, costs, seeds=8).generated < choose_sizes(60_000, costs).generated


def test_the_least_is_96_images_however_slow_the_machine_is() -> None:
    sizes = choose_sizes(60_000, Costs(1e6, 1e6, 1e6))
    assert (sizes.reference, sizes.generated, sizes.fit_images) == (80, 16, 1_000)


def test_costs_are_measured_on_the_model_and_the_data() -> None:
    costs = measure(
        colour(100), [Toy(height=8, width=8, channels=3, labels=()).model().SerializeToString()]
    )
    assert costs.fit_s >= 0  # a difference of times, which other work may hide
    assert costs.patches_s > 0
    assert 0 <= costs.generate_s < 1


def test_of_grey_images_no_patches_are_compared() -> None:
    grey = Dataset(colour(100).images[..., :1], None, (), "f" * 64)
    assert measure(grey, []).patches_s == 0


def test_too_few_images_are_an_error_before_anything_is_measured() -> None:
    with pytest.raises(DataError, match="95 images; scores need at least 96"):
        fast_sizes(colour(95), [])
