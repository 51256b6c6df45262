"""What became of the retraining job that made a run: published, refused or failed, and why."""

from collections.abc import Iterator
from html import escape

from mirage.training.gate import Check, flag
from mirage.training.report.page import grid
from mirage.training.result import Result

STYLES = {"released": "real", "published": "real", "refused": "broken", "failed": "broken"}


def outcome(result: Result | None) -> str:
    """The end of the job as a banner, then the gate's checks; empty for a run without a job."""
    return f"{_banner(result)}{_checks(result)}" if result else ""


def _banner(result: Result) -> str:
    reasons = "".join(f"<span>{escape(reason)}.</span>" for reason in result.reasons)
    css = STYLES.get(result.outcome, "")
    return f'<p class="banner {css}"><b>{escape(_headline(result))}</b>{reasons}</p>'


def _headline(result: Result) -> str:
    match result.outcome:
        case "released" | "published":
            return f"{result.outcome.capitalize()} as {result.model}@{result.version}"
        case "refused":
            return "Refused by the gate: not published"
        case "failed":
            return f"Failed: stage {result.stage}" if result.stage else "Failed"
    return f"Under way: stage {result.stage}" if result.stage else "Under way"


def _checks(result: Result) -> str:
    if not result.checks:
        return ""
    compared = ""
    if result.released_version is not None:
        released = f"{result.model}@{result.released_version}"
        compared = f'<p class="soft below">Compared with the released {escape(released)}.</p>'
    head = ("score", "value", "asked for", "", "threshold")
    return compared + grid(head, (tuple(_row(check)) for check in result.checks))


def _row(check: Check) -> Iterator[str]:
    yield escape(check.score)
    yield f"{check.value:.4g}"
    yield f"{'at most' if check.lower_is_better else 'at least'} {check.bound:.4g}"
    css, word = ("real", "passed") if check.passed else ("broken", "not passed")
    yield f'<b class="grade {css}">{word}</b>'
    yield f"<code>{flag(check.threshold)} {check.limit:g}</code>"
