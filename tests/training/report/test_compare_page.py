from pathlib import Path

from mirage.bundle.format.manifest import Score
from mirage.training.evaluation.scorecard import Scorecard
from mirage.training.publish.scored_model import ScoredModel, open_scored_model
from mirage.training.report.compare_page import Side, write_comparison
from tests.bundles import Toy, publish_toy
from tests.training.evaluation.test_scorecard import card
from tests.training.helpers.pages import Page


def candidates(root: Path) -> tuple[ScoredModel, ScoredModel]:
    first = publish_toy(root, Toy(labels=("a", "b"), seed=0))
    second = publish_toy(root, Toy(labels=("a", "b"), seed=1))
    return open_scored_model(first), open_scored_model(second)


def compared(root: Path, first: Scorecard | None = None, second: Scorecard | None = None) -> Page:
    one, two = candidates(root)
    path = write_comparison(Side(one, first), Side(two, second), root / "compare.html")
    return Page(path.read_text(encoding="utf-8"))


def worse(**changes: object) -> Scorecard:
    return card(scores={"frechet": Score(value=60.0, floor=0.5, n=10)}, **changes)


def test_shows_two_bundles_on_a_self_contained_page(tmp_path: Path) -> None:
    page = compared(tmp_path)
    assert page.outside == []
    assert page.open_tags == []
    assert page.tags.count("img") == 2
    assert "toy@1 and toy@2" in page.text
    assert "Seeds 0 to 99 of both, one class per column." in page.text
    assert "As recorded at export, on the same data." in page.text


def test_compares_differences_with_the_spread(tmp_path: Path) -> None:
    page = compared(tmp_path, card(), worse())
    assert "Comparable: same data" in page.text
    assert "toy@1 2.5, toy@2 60, real data 0.5" in page.text
    assert "the difference exceeds two standard deviations" in page.text
    assert "toy@2: weak" in page.text or "toy@2: broken" in page.text


def test_reports_a_difference_within_the_spread(tmp_path: Path) -> None:
    assert "is within two standard deviations" in compared(tmp_path, card(), card()).text


def test_scores_on_other_data_are_not_comparable(tmp_path: Path) -> None:
    page = compared(tmp_path, card(), worse(data_fingerprint="e" * 64))
    assert "not comparable" in page.text


def test_scores_by_another_method_are_to_be_made_again(tmp_path: Path) -> None:
    """The first scorecard was made before methods were recorded."""
    page = compared(tmp_path, card(), worse(method=3))
    assert "different versions of the scores and floors: not comparable" in page.text
    assert "Run mirage evaluate again" in page.text


def test_without_common_scores_explains_how_to_get_them(tmp_path: Path) -> None:
    page = compared(tmp_path, card(), card(scores={}))
    assert "pass --data" in page.text
