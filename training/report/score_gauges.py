"""Scores as gauges on a scale from broken to real data, each with an explanation."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape

from mirage.bundle.format.manifest import Score


class Grade(Enum):
    """How close a score is to that of real data; the value is the displayed text."""

    REAL = "close to real"
    GOOD = "good"
    WEAK = "weak"
    BROKEN = "broken"


GRADES = ((0.95, Grade.REAL), (0.8, Grade.GOOD), (0.5, Grade.WEAK), (0.0, Grade.BROKEN))


@dataclass(frozen=True)
class Meaning:
    """How a score is explained and scaled.

    question: the question that it answers. text: an explanation with the fields {value}, {floor}
    and {collapsed}. form: format specification of numbers. worst: the value at the lower end of the
    scale; None uses the score of a collapsed generator. squared: the score is a squared distance,
    and the scale uses its square root.
    """

    question: str
    text: str
    form: str
    worst: float | None
    squared: bool = False


MEANINGS = {
    "agreement": Meaning(
        "Does it generate the requested class?",
        "{value} of the images show the class that was requested. "
        "The classifier recognises {floor} of real images, which is the upper limit.",
        ".1%",
        worst=0.5,
    ),
    "coverage": Meaning(
        "Does it cover the variety of the data?",
        "{value} of the real images have a generated image close to them; with new real images it "
        "is {floor}.",
        ".1%",
        worst=0.0,
    ),
    "frechet": Meaning(
        "Is the distribution like the data's?",
        "The Fréchet distance to the data is {value}. Between two sets of real images it is "
        "{floor}; for one image per class, repeated, it is {collapsed}.",
        ".3g",
        worst=None,
        squared=True,
    ),
    "memorised": Meaning(
        "Are they new images, not copies?",
        "{value} lie suspiciously close to a training image; of new real images {floor} do.",
        ".1%",
        worst=0.25,
    ),
    "memorised_groups": Meaning(
        "Are they new compared with groups of related images?",
        "{value} are closer to a training image than all images unrelated to it; of real images of "
        "other groups {floor} are.",
        ".1%",
        worst=0.5,
    ),
    "precision": Meaning(
        "Does each image look real?",
        "{value} are within the distribution of real images; of new real images {floor}.",
        ".1%",
        worst=0.0,
    ),
    "recall": Meaning(
        "Can it generate the real images?",
        "{value} of the real images are within the distribution of generated ones; for new real "
        "images it is {floor}.",
        ".1%",
        worst=0.0,
    ),
    "density": Meaning(
        "Are they typical of the data?",
        "The density of real images around them is {value}; around new real images {floor}.",
        ".2f",
        worst=0.0,
    ),
    "kernel": Meaning(
        "Is the distribution like the data's? (second measure)",
        "The kernel distance to the data is {value}; between two sets of real images {floor}; for "
        "one image per class, repeated, {collapsed}.",
        ".3g",
        worst=None,
        squared=True,
    ),
    "swd_thumbnails": Meaning(
        "Are colours and shapes right overall?",
        "The sliced Wasserstein distance of thumbnails is {value} thousandths of the value range; "
        "between two sets of real ones {floor}.",
        ".3g",
        worst=None,
    ),
    "swd_middle": Meaning(
        "Are larger details right?",
        "The distance of patches at half the resolution is {value} thousandths; between two sets "
        "of real ones {floor}.",
        ".3g",
        worst=None,
    ),
    "swd_fine": Meaning(
        "Are the finest details right?",
        "The distance of patches at full resolution is {value} thousandths; between two sets of "
        "real ones {floor}.",
        ".3g",
        worst=None,
    ),
    "translucent": Meaning(
        "Is transparency clean?",
        "{value} of the pixels are translucent; in real images {floor}.",
        ".1%",
        worst=0.5,
    ),
    "cas": Meaning(
        "Can a classifier learn from them?",
        "A classifier trained only on generated images classifies {value} of the real test images "
        "correctly; one trained on real images {floor}.",
        ".1%",
        worst=0.5,
    ),
    "modes": Meaning(
        "How many of the 1,000 modes does it generate?",
        "{value} modes were found; among as many real images {floor}.",
        ".0f",
        worst=0.0,
    ),
    "reverse_kl": Meaning(
        "Are all modes equally frequent?",
        "The divergence from the uniform distribution is {value} nats; for real images {floor}.",
        ".4f",
        worst=math.log(1000),
        squared=True,
    ),
}
ESSENTIAL = ("agreement", "coverage", "frechet", "memorised")


def quality(name: str, score: Score, collapsed: float | None, value: float | None = None) -> float:
    """Position of a score in [0, 1], from the worst value (0) to real data (1); NaN if unknown.

    value: another value to position on the same scale; None uses the value of the score.
    """
    meaning = MEANINGS[name]
    worst = meaning.worst if meaning.worst is not None else collapsed
    if score.floor is None or worst is None:
        return math.nan
    ends = [worst, score.floor, score.value if value is None else value]
    if meaning.squared:
        ends = [math.sqrt(max(end, 0.0)) for end in ends]
    low, high, here = ends
    return min(max((here - low) / (high - low), 0.0), 1.0) if high != low else math.nan


def grade(position: float) -> Grade | None:
    """The grade of a position; None for NaN."""
    if math.isnan(position):
        return None
    return next(grade for least, grade in GRADES if position >= least)


def sentence(name: str, score: Score, collapsed: float | None) -> str:
    """The explanation of a score with its numbers."""
    meaning = MEANINGS[name]
    numbers = {"value": score.value, "floor": score.floor, "collapsed": collapsed}
    texts = {key: written(number, meaning.form) for key, number in numbers.items()}
    return meaning.text.format(**texts)


def written(number: float | None, form: str) -> str:
    """Format a number; None is `unknown`."""
    if number is None:
        return "unknown"
    return format(max(number, 0.0), form)  # unbiased estimates may be slightly negative


@dataclass(frozen=True)
class Verdict:
    """The overall grade of a model, and a sentence that explains it."""

    grade: Grade
    sentence: str


def verdict(scores: Mapping[str, Score], collapsed: Mapping[str, float]) -> Verdict | None:
    """The grade of the worst essential score; None if no essential score has a scale."""
    positions = {
        name: quality(name, scores[name], collapsed.get(name))
        for name in MEANINGS
        if name in scores
    }
    graded = {name: grade(position) for name, position in positions.items() if name in ESSENTIAL}
    known = {name: word for name, word in graded.items() if word}
    if not known:
        return None
    order = list(Grade)
    worst = max(known, key=lambda name: (order.index(known[name]), -positions[name]))
    return Verdict(known[worst], _explain(known[worst], worst, positions))


def _explain(word: Grade, worst: str, positions: dict[str, float]) -> str:
    if word is Grade.REAL:
        return "All essential scores are close to those of real images."
    if word is Grade.GOOD:
        return f"Usable, but below real data. Main weakness: {LACKS[worst]}."
    if positions.get("coverage", 1.0) < 0.5 <= positions.get("precision", 0.0):
        return "The generator has collapsed: single images look real, but it repeats the same few."
    return f"Not usable. Main weakness: {LACKS[worst]}."


LACKS = {
    "agreement": "too many images show another class than requested",
    "coverage": "low variety, since many real images have no similar generated one",
    "frechet": "the distribution differs from the data's",
    "memorised": "too many images are copies of training images",
}


def in_order(scores: Mapping[str, Score]) -> Iterator[str]:
    """The names of the scores in `MEANINGS`, in its order: essential ones first."""
    return (name for name in MEANINGS if name in scores)


def banner(found: Verdict | None) -> str:
    """The verdict as HTML."""
    if not found:
        return '<p class="banner">Not scored yet.</p>'
    return (
        f'<p class="banner {found.grade.name.lower()}"><b>{found.grade.value.capitalize()}</b>'
        f"<span>{escape(found.sentence)}</span></p>"
    )


def gauges(scores: Mapping[str, Score], collapsed: Mapping[str, float]) -> str:
    """A gauge for each score: essential ones first, the others in a collapsible section."""
    rows = {name: _gauge(name, scores[name], collapsed.get(name)) for name in in_order(scores)}
    first = "".join(row for name, row in rows.items() if name in ESSENTIAL)
    rest = "".join(row for name, row in rows.items() if name not in ESSENTIAL)
    key = legend([("dot", "this model"), *BOUNDS])
    more = f"<details open><summary>Further scores</summary>{rest}</details>" if rest else ""
    return f'<div class="gauges">{key}{first}{more}</div>'


def legend(items: Iterable[tuple[str, str]]) -> str:
    """A legend of the marks of a scale; items: pairs of CSS class and text."""
    parts = (f'<span><i class="{css}"></i>{escape(words)}</span>' for css, words in items)
    return f'<p class="legend">{"".join(parts)}</p>'


BOUNDS = (
    ("ring", "a model without variety: one real image per class, repeated"),
    ("end", "real data, measured against other real data"),
)


def _gauge(name: str, score: Score, collapsed: float | None) -> str:
    position = quality(name, score, collapsed)
    marks = [("dot", position), ("ring", position_of_collapsed(name, score, collapsed))]
    return (
        f'<section class="gauge"><h3>{escape(MEANINGS[name].question)}</h3>{pill(position)}'
        f"{track(marks)}<p>{escape(sentence(name, score, collapsed))}</p></section>"
    )


def position_of_collapsed(name: str, score: Score, collapsed: float | None) -> float:
    """The position of a collapsed generator on the scale; NaN if unknown."""
    return math.nan if collapsed is None else quality(name, score, collapsed, collapsed)


def pill(position: float, label: str = "") -> str:
    """The grade of a position as a coloured pill."""
    word = grade(position)
    css = word.name.lower() if word else "unknown"
    text = (f"{label}: " if label else "") + (word.value if word else "no scale")
    return f'<b class="grade {css}">{escape(text)}</b>'


def track(marks: Iterable[tuple[str, float]]) -> str:
    """A scale with marks; marks: pairs of CSS class and position in [0, 1], NaN to omit it."""
    drawn = "".join(
        f'<i class="{css}" style="left:{position:.2%}"></i>'
        for css, position in marks
        if not math.isnan(position)
    )
    (_, *bounds) = (f"{least:.0%}" for least, _ in reversed(GRADES))
    weak, good, real = bounds
    return f'<div class="track" style="--weak:{weak};--good:{good};--real:{real}">{drawn}</div>'
