from xml.etree import ElementTree

from mirage.bundle.manifest import Score
from mirage.training.report.gauge import banner, gauges, pill, track
from mirage.training.report.verdict import Grade, Verdict

SCORES = {
    "coverage": Score(value=0.1, floor=0.97, n=10),
    "recall": Score(value=0.9, floor=0.93, n=10),
}


def test_a_score_is_a_question_a_word_and_a_dot_on_a_scale() -> None:
    html = gauges(SCORES, {"coverage": 0.01})
    assert "Is the whole variety there?" in html
    assert '<b class="grade broken">broken</b>' in html
    assert 'class="dot" style="left:10.31%"' in html
    assert 'class="ring" style="left:1.03%"' in html
    ElementTree.fromstring(html.replace("<details open>", "<details>"))


def test_what_is_not_essential_stands_below() -> None:
    first, _, rest = gauges(SCORES, {}).partition("<details")
    assert "variety" in first
    assert "Could it have made" in rest
    assert "<details" not in gauges({"coverage": SCORES["coverage"]}, {})


def test_a_place_that_is_not_known_is_not_drawn() -> None:
    assert "<i" not in track([("dot", float("nan"))])
    assert "no scale" in pill(float("nan"))
    assert pill(1.0, "toy@1") == '<b class="grade real">toy@1: close to real</b>'


def test_the_verdict_is_the_first_thing_one_reads() -> None:
    assert "<b>Weak</b><span>Why &lt;so&gt;</span>" in banner(Verdict(Grade.WEAK, "Why <so>"))
    assert "Not scored" in banner(None)
