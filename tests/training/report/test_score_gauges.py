import math
from xml.etree import ElementTree

import pytest

from mirage.bundle.format.manifest import Score
from mirage.training.report.score_gauges import (
    MEANINGS,
    Grade,
    Verdict,
    banner,
    gauges,
    grade,
    in_order,
    pill,
    quality,
    sentence,
    track,
    verdict,
)

SCORES = {
    "coverage": Score(value=0.1, floor=0.97, n=10),
    "recall": Score(value=0.9, floor=0.93, n=10),
}


def test_a_gauge_has_a_question_a_grade_and_a_mark() -> None:
    html = gauges(SCORES, {"coverage": 0.01})
    assert "Does it cover the variety of the data?" in html
    assert '<b class="grade broken">broken</b>' in html
    assert 'class="dot" style="left:10.31%"' in html
    assert 'class="ring" style="left:1.03%"' in html
    ElementTree.fromstring(html.replace("<details open>", "<details>"))


def test_other_scores_are_in_a_collapsible_section() -> None:
    first, _, rest = gauges(SCORES, {}).partition("<details")
    assert "variety" in first
    assert "Can it generate the real images?" in rest
    assert "<details" not in gauges({"coverage": SCORES["coverage"]}, {})


def test_does_not_draw_an_unknown_position() -> None:
    assert "<i" not in track([("dot", float("nan"))])
    assert "no scale" in pill(float("nan"))
    assert pill(1.0, "toy@1") == '<b class="grade real">toy@1: close to real</b>'


def test_the_banner_shows_the_escaped_verdict() -> None:
    assert "<b>Weak</b><span>Why &lt;so&gt;</span>" in banner(Verdict(Grade.WEAK, "Why <so>"))
    assert "Not scored" in banner(None)


REAL = {
    "agreement": Score(value=0.995, floor=0.997, n=10),
    "coverage": Score(value=0.95, floor=0.97, n=10),
    "frechet": Score(value=0.3, floor=0.2, n=10),
    "memorised": Score(value=0.01, floor=0.01, n=10),
    "precision": Score(value=0.93, floor=0.93, n=10),
}
COLLAPSED = {"frechet": 118.0}


def scores(**values: float) -> dict[str, Score]:
    return {
        name: Score(value=values.get(name, score.value), floor=score.floor, n=score.n)
        for name, score in REAL.items()
    }


def test_scores_of_real_images_are_graded_real() -> None:
    found = verdict(REAL, COLLAPSED)
    assert found
    assert found.grade is Grade.REAL


def test_detects_collapse_with_realistic_images() -> None:
    found = verdict(scores(coverage=0.02, frechet=110), COLLAPSED)
    assert found
    assert found.grade is Grade.BROKEN
    assert "collapsed" in found.sentence
    assert "repeats the same few" in found.sentence


@pytest.mark.parametrize(
    ("changes", "word", "lack"),
    [
        ({"agreement": 0.6}, Grade.BROKEN, "another class"),
        ({"frechet": 10.0}, Grade.WEAK, "differs from the data's"),
        ({"coverage": 0.85}, Grade.GOOD, "variety"),
        ({"memorised": 0.9}, Grade.BROKEN, "copies"),
        ({"coverage": 0.1, "precision": 0.1}, Grade.BROKEN, "variety"),
    ],
)
def test_the_verdict_is_the_grade_of_the_worst_essential_score(
    changes: dict[str, float], word: Grade, lack: str
) -> None:
    found = verdict(scores(**changes), COLLAPSED)
    assert found
    assert found.grade is word
    assert lack in found.sentence


def test_no_verdict_without_a_scale() -> None:
    assert verdict({"frechet": Score(value=1.0, floor=0.5)}, {}) is None
    assert verdict({}, {}) is None


def test_the_scale_runs_from_the_worst_to_real_data() -> None:
    score = Score(value=118.0, floor=0.2)
    assert quality("frechet", score, 118.0) == 0
    assert quality("frechet", score, 118.0, value=0.2) == 1
    assert quality("frechet", score, 118.0, value=0.0) == 1
    assert quality("frechet", score, 118.0, value=30.5) == pytest.approx(0.5, abs=0.02)
    assert quality("memorised", Score(value=0.0, floor=0.012), None) == 1
    assert math.isnan(quality("frechet", score, None))


@pytest.mark.parametrize(
    ("place", "word"), [(1.0, Grade.REAL), (0.8, Grade.GOOD), (0.5, Grade.WEAK), (0, Grade.BROKEN)]
)
def test_grades_a_position(place: float, word: Grade) -> None:
    assert grade(place) is word
    assert grade(math.nan) is None


@pytest.mark.parametrize("name", MEANINGS)
def test_every_score_has_an_explanation(name: str) -> None:
    text = sentence(name, Score(value=0.5, floor=0.9, n=10), 0.1)
    assert "{" not in text
    assert "unknown" not in text
    assert MEANINGS[name].question


def test_shows_unknown_numbers_and_clips_negative_estimates() -> None:
    text = sentence("kernel", Score(value=0.2, floor=-0.03), None)
    assert "unknown" in text
    assert "two sets of real images 0;" in text


def test_the_essential_scores_come_first() -> None:
    names = list(in_order(dict.fromkeys(reversed(MEANINGS), REAL["coverage"])))
    assert names[:4] == ["agreement", "coverage", "frechet", "memorised"]
    assert list(in_order({"frechet_inception": REAL["frechet"]})) == []
