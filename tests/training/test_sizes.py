import pytest

from mirage.training.errors import DataError
from mirage.training.sizes import Sizes


def test_from_60000_images_on_the_sizes_are_the_full_ones() -> None:
    assert Sizes.of(60_000) == Sizes.of(1_000_000) == Sizes()
    assert Sizes.of(60_000).full


@pytest.mark.parametrize("images", [96, 3583, 59_999])
def test_smaller_data_are_split_in_proportion(images: int) -> None:
    sizes = Sizes.of(images)
    assert sizes.reference + sizes.generated == images
    assert 5 * sizes.generated <= sizes.reference <= 5 * sizes.generated + 5
    assert 2 * sizes.covered <= sizes.generated
    assert not sizes.full


def test_fast_takes_a_fifth_of_60000_images_and_all_of_fewer() -> None:
    sizes = Sizes.of(60_000, fast=True)
    assert (sizes.generated, sizes.reference, sizes.covered) == (2_000, 10_000, 1_000)
    assert not sizes.full
    assert Sizes.of(3_583, fast=True).reference == Sizes.of(3_583).reference


@pytest.mark.parametrize(
    ("images", "seen"), [(96, 10_000), (500, 15_000), (3_583, 100_000), (60_000, 100_000)]
)
def test_feature_networks_learn_from_few_images_longer_but_not_forever(
    images: int, seen: int
) -> None:
    assert Sizes.of(images).fit_images == seen
    assert Sizes.of(images, fast=True).fit_images == min(seen, 25_000)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="95 images; scores need at least 96"):
        Sizes.of(95)
