"""Scores drawn between what is broken and what is real, with the sentence that says so."""

import math
from collections.abc import Iterable, Mapping
from html import escape

from mirage.bundle.manifest import Score
from mirage.training.report.verdict import (
    ESSENTIAL,
    GRADES,
    MEANINGS,
    Verdict,
    grade,
    in_order,
    quality,
    sentence,
)


def banner(found: Verdict | None) -> str:
    """The verdict as the first thing that one reads."""
    if not found:
        return '<p class="banner">Not scored yet.</p>'
    return (
        f'<p class="banner {found.grade.name.lower()}"><b>{found.grade.value.capitalize()}</b>'
        f"<span>{escape(found.sentence)}</span></p>"
    )


def gauges(scores: Mapping[str, Score], collapsed: Mapping[str, float]) -> str:
    """Every score that can be explained: the essential ones first, the others folded away."""
    rows = {name: _gauge(name, scores[name], collapsed.get(name)) for name in in_order(scores)}
    first = "".join(row for name, row in rows.items() if name in ESSENTIAL)
    rest = "".join(row for name, row in rows.items() if name not in ESSENTIAL)
    key = legend([("dot", "this model"), *BOUNDS])
    more = f"<details open><summary>Further scores</summary>{rest}</details>" if rest else ""
    return f'<div class="gauges">{key}{first}{more}</div>'


def legend(items: Iterable[tuple[str, str]]) -> str:
    """What each mark of a scale is: pairs of its style and its words."""
    parts = (f'<span><i class="{css}"></i>{escape(words)}</span>' for css, words in items)
    return f'<p class="legend">{"".join(parts)}</p>'


BOUNDS = (
    ("ring", "a model without variety: one real image per class, repeated"),
    ("end", "real data, measured against other real data"),
)


def _gauge(name: str, score: Score, collapsed: float | None) -> str:
    place = quality(name, score, collapsed)
    marks = [("dot", place), ("ring", place_of_collapsed(name, score, collapsed))]
    return (
        f'<section class="gauge"><h3>{escape(MEANINGS[name].question)}</h3>{pill(place)}'
        f"{track(marks)}<p>{escape(sentence(name, score, collapsed))}</p></section>"
    )


def place_of_collapsed(name: str, score: Score, collapsed: float | None) -> float:
    """Where a generator without variety stands on the scale; NaN when that is not known."""
    return math.nan if collapsed is None else quality(name, score, collapsed, collapsed)


def pill(place: float, label: str = "") -> str:
    """The word for a place on the scale, in its colour."""
    word = grade(place)
    css = word.name.lower() if word else "unknown"
    text = (f"{label}: " if label else "") + (word.value if word else "no scale")
    return f'<b class="grade {css}">{escape(text)}</b>'


def track(marks: Iterable[tuple[str, float]]) -> str:
    """The scale from broken to real, with marks (style and place in [0, 1], or NaN for none)."""
    drawn = "".join(
        f'<i class="{kind}" style="left:{place:.2%}"></i>'
        for kind, place in marks
        if not math.isnan(place)
    )
    (_, *bounds) = (f"{least:.0%}" for least, _ in reversed(GRADES))
    weak, good, real = bounds
    return f'<div class="track" style="--weak:{weak};--good:{good};--real:{real}">{drawn}</div>'
