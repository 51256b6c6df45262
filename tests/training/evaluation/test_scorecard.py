from pathlib import Path

import pytest

from mirage.bundle.format.manifest import Score
from mirage.training.errors import DataError
from mirage.training.evaluation.scorecard import (
    Scorecard,
    Sizes,
    known_scorecard,
    read_scorecard,
    scores_file,
    table,
    write_scorecard,
)


def card(**changes: object) -> Scorecard:
    fields = {
        "scores": {"frechet": Score(value=2.5, floor=0.5, n=10)},
        "spread": {"frechet": 0.25},
        "collapsed": {"frechet": 99.0},
        "seeds": 3,
        "network": "a network",
        "network_sha256": "a" * 64,
        "data_fingerprint": "d" * 64,
        "sizes": {"generated": 10, "reference": 50},
        "full": False,
        "seconds": 1.5,
    }
    return Scorecard.model_validate(fields | changes)


def test_round_trips_through_its_file(tmp_path: Path) -> None:
    path = scores_file(tmp_path / "000001000.safetensors")
    assert path.name == "000001000.scores.json"
    assert read_scorecard(path) is None
    write_scorecard(path, card())
    assert read_scorecard(path) == card()


def test_rejects_a_file_that_is_not_a_scorecard(tmp_path: Path) -> None:
    path = tmp_path / "000001000.scores.json"
    path.write_text('{"frechet": 1}')
    with pytest.raises(DataError, match="evaluate again"):
        read_scorecard(path)
    assert known_scorecard(path) is None
    write_scorecard(path, card())
    assert known_scorecard(path) == card()


def test_the_table_has_all_numbers_and_conditions() -> None:
    lines = list(table(card()))
    assert lines[1].split() == ["frechet", "2.5000", "0.2500", "0.5000", "99.0000", "10"]
    text = "\n".join(lines)
    assert "comparable only on data dddddddddddd" in text
    assert "rough: 10 generated against 50 real images" in text
    assert "rough" not in "\n".join(table(card(full=True)))


def test_shares_of_few_images_are_said_to_vary_by_chance() -> None:
    few = card(sizes={"generated": 49, "reference": 250, "covered": 25})
    assert "shares of 25 images; they vary by up to 0.20 by chance" in "\n".join(table(few))
    many = card(sizes={"generated": 2_000, "reference": 10_000, "covered": 1_000})
    assert "chance" not in "\n".join(table(many))


@pytest.mark.parametrize(
    "changes",
    [
        {"network_sha256": "b" * 64},
        {"data_fingerprint": "e" * 64},
        {"sizes": {"generated": 9}},
        {"method": 3},
    ],
)
def test_compares_only_equal_conditions(changes: dict[str, object]) -> None:
    assert card().compares_with(card(scores={}))
    assert not card().compares_with(card(**changes))


def test_from_60000_images_on_the_sizes_are_the_full_ones() -> None:
    assert Sizes.of(60_000) == Sizes.of(1_000_000) == Sizes()
    assert Sizes.of(60_000).full


@pytest.mark.parametrize("images", [96, 3583, 59_999])
def test_smaller_data_have_proportional_sizes(images: int) -> None:
    sizes = Sizes.of(images)
    assert sizes.reference + sizes.generated == images
    assert 5 * sizes.generated <= sizes.reference <= 5 * sizes.generated + 5
    assert 2 * sizes.covered <= sizes.generated
    assert not sizes.full


def test_fast_uses_the_sizes_of_12000_images() -> None:
    sizes = Sizes.of(60_000, fast=True)
    assert (sizes.generated, sizes.reference, sizes.covered) == (2_000, 10_000, 1_000)
    assert not sizes.full
    assert Sizes.of(3_583, fast=True).reference == Sizes.of(3_583).reference


@pytest.mark.parametrize(
    ("images", "seen"), [(96, 10_000), (500, 15_000), (3_583, 100_000), (60_000, 100_000)]
)
def test_feature_networks_train_longer_on_few_images_within_bounds(images: int, seen: int) -> None:
    assert Sizes.of(images).fit_images == seen
    assert Sizes.of(images, fast=True).fit_images == min(seen, 25_000)


def test_rejects_too_few_images() -> None:
    with pytest.raises(DataError, match="95 images; scores need at least 96"):
        Sizes.of(95)
