import math
from pathlib import Path

import pytest
import torch

from mirage.bundle.format.manifest import Score
from mirage.training.errors import CollapseError, UsageError
from mirage.training.publish.gate import Thresholds, check_scores, check_spread
from tests.training.helpers.snapshots import make_snapshot

GOOD = {
    "agreement": Score(value=0.99, floor=0.995),
    "coverage": Score(value=0.92, floor=0.96),
    "frechet": Score(value=4.0, floor=0.5),
}


def scores(**values: float) -> dict[str, Score]:
    return {
        name: Score(value=values.get(name, score.value), floor=score.floor)
        for name, score in GOOD.items()
    }


def refused(scores_: dict[str, Score], released: dict[str, Score] | None = None) -> list[str]:
    return [
        str(check) for check in check_scores(scores_, released, Thresholds()) if not check.passed
    ]


def test_a_good_model_passes_alone_and_beside_its_like() -> None:
    assert refused(GOOD) == []
    assert refused(GOOD, GOOD) == []
    assert len(check_scores(GOOD, GOOD, Thresholds())) == 6


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        ({"agreement": 0.8}, "agreement is 0.8; --min-agreement 0.9 asks for at least 0.9"),
        ({"coverage": 0.4}, "coverage is 0.4; --min-coverage 0.5 asks for at least 0.5"),
        ({"frechet": 51}, "frechet is 51; --max-frechet-ratio 100 asks for at most 50"),
    ],
)
def test_what_is_broken_is_refused_with_both_numbers(worse: dict[str, float], reason: str) -> None:
    assert refused(scores(**worse)) == [reason]


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (
            {"agreement": 0.98},
            "agreement is 0.98; --max-agreement-drop 0.005 asks for at least 0.985",
        ),
        ({"coverage": 0.89}, "coverage is 0.89; --max-coverage-drop 0.02 asks for at least 0.9"),
        ({"frechet": 5.5}, "frechet is 5.5; --max-frechet-growth 1.25 asks for at most 5"),
    ],
)
def test_what_is_worse_than_the_released_version_is_refused(
    worse: dict[str, float], reason: str
) -> None:
    assert refused(scores(**worse)) == []
    assert refused(scores(**worse), GOOD) == [reason]


def test_every_failing_threshold_is_named() -> None:
    everything = scores(agreement=0.1, coverage=0.0, frechet=1000)
    assert len(refused(everything, GOOD)) == 6


def test_a_score_that_is_no_number_is_refused() -> None:
    assert refused({**GOOD, "coverage": Score.model_construct(value=math.nan)}) != []


def test_data_without_classes_have_no_agreement_to_check() -> None:
    unlabelled = {name: GOOD[name] for name in ("coverage", "frechet")}
    assert [check.score for check in check_scores(unlabelled, unlabelled, Thresholds())] == [
        *("coverage", "frechet"),
        *("coverage", "frechet"),
    ]


def enlarged(psnr: float, bicubic: float = 25.0) -> dict[str, Score]:
    return {"psnr_y": Score(value=psnr), "psnr_y_bicubic": Score(value=bicubic)}


def test_enlarged_pictures_may_not_be_below_bicubic_nor_below_the_released_ones() -> None:
    assert refused(enlarged(26), enlarged(26)) == []
    assert refused(enlarged(24.5)) == ["psnr_y is 24.5; --min-gain 0 asks for at least 25"]
    assert refused(enlarged(26), enlarged(26.5)) == [
        "psnr_y is 26; --max-psnr-drop 0 asks for at least 26.5"
    ]
    lenient = Thresholds(max_psnr_drop=1)
    assert all(check.passed for check in check_scores(enlarged(26), enlarged(26.5), lenient))


def test_a_limit_can_be_lifted() -> None:
    lenient = Thresholds(min_coverage=0, max_frechet_ratio=math.inf)
    assert all(
        check.passed for check in check_scores(scores(coverage=0, frechet=1e6), None, lenient)
    )


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_a_threshold_without_meaning_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"--min-coverage is .*; a number from 0 on is allowed"):
        Thresholds(min_coverage=value)


@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_that_varies_passes(tmp_path: Path, classes: int) -> None:
    assert check_spread(make_snapshot(tmp_path, num_classes=classes)) > 1


@pytest.mark.parametrize("weights", [0.0, float("nan")])
def test_one_image_for_all_latents_is_collapse(tmp_path: Path, weights: float) -> None:
    snapshot = make_snapshot(tmp_path)
    with torch.no_grad():
        for parameter in snapshot.generator.parameters():
            parameter.fill_(weights)
    with pytest.raises(CollapseError, match="makes the same image whatever its latents") as caught:
        check_spread(snapshot)
    assert caught.value.exit_code == 6
