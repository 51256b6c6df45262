from mirage.training.gate import Check
from mirage.training.report.outcome import outcome
from mirage.training.result import Result
from tests.training.report.pages import Page

CHECKS = (
    Check(score="coverage", threshold="min_coverage", limit=0.5, value=0.25, bound=0.5),
    Check(score="frechet", threshold="max_frechet_ratio", limit=100, value=2, bound=20),
)


def result(**facts: object) -> Result:
    return Result.model_validate({"model": "digits", "outcome": "running", **facts})


def test_a_run_without_a_job_has_no_outcome() -> None:
    assert outcome(None) == ""


def test_a_refusal_tells_the_reason_and_every_check() -> None:
    reasons = (str(CHECKS[0]),)
    refused = result(outcome="refused", checks=CHECKS, reasons=reasons, released_version=3)
    page = Page(outcome(refused))
    assert page.open_tags == []
    for words in (
        "Refused by the gate: not published",
        "coverage is 0.25; --min-coverage 0.5 asks for at least 0.5.",
        "Compared with the released digits@3.",
        "at most 20",
        "--max-frechet-ratio 100",
    ):
        assert words in page.text
    assert page.html.count(">not passed<") == page.html.count(">passed<") == 1


def test_a_failure_tells_where_and_why_without_taking_the_reason_for_html() -> None:
    html = outcome(result(outcome="failed", stage="train", reasons=("<b> is no number",)))
    assert "Failed: stage train" in html
    assert "&lt;b&gt; is no number" in html


def test_a_version_is_named() -> None:
    assert "Published as digits@2" in outcome(result(outcome="published", version=2))
    assert "Released as digits@2" in outcome(result(outcome="released", version=2))
    assert "Under way: stage gate" in outcome(result(stage="gate"))
