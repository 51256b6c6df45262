"""Scores drawn between what is broken and what is real, each with a sentence for laymen."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape

from mirage.bundle.format.manifest import Score


class Grade(Enum):
    """How near a score comes to that of real data; the value is the word that people read."""

    REAL = "close to real"
    GOOD = "good"
    WEAK = "weak"
    BROKEN = "broken"


GRADES = ((0.95, Grade.REAL), (0.8, Grade.GOOD), (0.5, Grade.WEAK), (0.0, Grade.BROKEN))


@dataclass(frozen=True)
class Meaning:
    """How one score is read.

    question: what it answers. text: a sentence with {value}, {floor} and {collapsed}. form: how
    its numbers are written. worst: the value at the lower end of its scale; None is the collapsed
    generator's. squared: the scale is that of the square root, as for squared distances.
    """

    question: str
    text: str
    form: str
    worst: float | None
    squared: bool = False


MEANINGS = {
    "agreement": Meaning(
        "Does it make what was asked for?",
        "{value} of the images show the class that was requested. "
        "The classifier recognises {floor} of real images, so more is not to be had.",
        ".1%",
        worst=0.5,
    ),
    "coverage": Meaning(
        "Is the whole variety there?",
        "Generated images come close to {value} of the real ones; new real images to {floor}.",
        ".1%",
        worst=0.0,
    ),
    "frechet": Meaning(
        "Are the images, taken together, like the data?",
        "Their statistics are {value} away from the data's (Fréchet distance). Two sets of real "
        "images are {floor} apart; one image per class, repeated, would be {collapsed} away.",
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
        "Are they new ones, beside all their kin?",
        "{value} lie nearer to a training image than anything that is no kin of it; of real images "
        "of other groups {floor} do.",
        ".1%",
        worst=0.5,
    ),
    "precision": Meaning(
        "Does each image look real?",
        "{value} lie where real images lie; of new real images {floor} do.",
        ".1%",
        worst=0.0,
    ),
    "recall": Meaning(
        "Could it have made the real images?",
        "{value} of the real images lie where generated ones lie; for new real images {floor} do.",
        ".1%",
        worst=0.0,
    ),
    "density": Meaning(
        "Are they typical of the data?",
        "{value} times as crowded by real images as usual; new real images: {floor}.",
        ".2f",
        worst=0.0,
    ),
    "kernel": Meaning(
        "The same, by another measure",
        "Kernel distance {value}; two sets of real images {floor}, one image per class, repeated, "
        "{collapsed}.",
        ".3g",
        worst=None,
        squared=True,
    ),
    "swd_thumbnails": Meaning(
        "Are colours and shapes right, as a whole?",
        "Thumbnails are {value} thousandths of the range apart from real ones (sliced Wasserstein "
        "distance); two sets of real ones {floor}.",
        ".3g",
        worst=None,
    ),
    "swd_middle": Meaning(
        "Are larger details right?",
        "Patches at half the resolution are {value} thousandths apart from real ones; two sets of "
        "real ones {floor}.",
        ".3g",
        worst=None,
    ),
    "swd_fine": Meaning(
        "Are the finest details right?",
        "Patches of pixels are {value} thousandths apart from real ones; two sets of real ones "
        "{floor}.",
        ".3g",
        worst=None,
    ),
    "translucent": Meaning(
        "Is transparency clean?",
        "{value} of the pixels are neither clear nor opaque; of real ones {floor}.",
        ".1%",
        worst=0.5,
    ),
    "cas": Meaning(
        "Can one learn from them?",
        "A classifier that saw generated images alone reads {value} of real test images rightly; "
        "one that saw the real ones {floor}.",
        ".1%",
        worst=0.5,
    ),
    "modes": Meaning(
        "How many of the 1,000 kinds does it make?",
        "{value} kinds were found; among as many real images {floor}.",
        ".0f",
        worst=0.0,
    ),
    "reverse_kl": Meaning(
        "Does it make all kinds equally often?",
        "The kinds are {value} nats from equally frequent; those of real images {floor}.",
        ".4f",
        worst=math.log(1000),
        squared=True,
    ),
}
ESSENTIAL = ("agreement", "coverage", "frechet", "memorised")


def quality(name: str, score: Score, collapsed: float | None, value: float | None = None) -> float:
    """The place in [0, 1] of a score between its worst end (0) and real data (1).

    value: None is the score's own; another value is placed on the same scale.
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


def grade(place: float) -> Grade | None:
    """The word for a place on the scale; None where there is no scale."""
    if math.isnan(place):
        return None
    return next(grade for least, grade in GRADES if place >= least)


def sentence(name: str, score: Score, collapsed: float | None) -> str:
    """The score in words, with its numbers."""
    meaning = MEANINGS[name]
    numbers = {"value": score.value, "floor": score.floor, "collapsed": collapsed}
    texts = {key: written(number, meaning.form) for key, number in numbers.items()}
    return meaning.text.format(**texts)


def written(number: float | None, form: str) -> str:
    """A number for people; None is `unknown`."""
    if number is None:
        return "unknown"
    return format(max(number, 0.0), form)  # estimates of what cannot be negative may be


@dataclass(frozen=True)
class Verdict:
    """The whole model in a word and a sentence."""

    grade: Grade
    sentence: str


def verdict(scores: Mapping[str, Score], collapsed: Mapping[str, float]) -> Verdict | None:
    """As good as its worst essential score; None without any that has a scale."""
    places = {
        name: quality(name, scores[name], collapsed.get(name))
        for name in MEANINGS
        if name in scores
    }
    graded = {name: grade(place) for name, place in places.items() if name in ESSENTIAL}
    known = {name: word for name, word in graded.items() if word}
    if not known:
        return None
    order = list(Grade)
    worst = max(known, key=lambda name: (order.index(known[name]), -places[name]))
    return Verdict(known[worst], _explain(known[worst], worst, places))


def _explain(word: Grade, worst: str, places: dict[str, float]) -> str:
    if word is Grade.REAL:
        return "On every count it comes nearly as close to the data as other real images do."
    if word is Grade.GOOD:
        return f"Useful, and still short of real data; what it lacks most: {LACKS[worst]}."
    if places.get("coverage", 1.0) < 0.5 <= places.get("precision", 0.0):
        return (
            "It has collapsed: single images look real, but it makes the same few again and again."
        )
    return f"Not fit for use; what it lacks most: {LACKS[worst]}."


LACKS = {
    "agreement": "too many images show another class than the one asked for",
    "coverage": "variety, as much of what the data show is never made",
    "frechet": "likeness to the data as a whole",
    "memorised": "novelty, as too many images are copies of training images",
}


def in_order(scores: Mapping[str, Score]) -> Iterator[str]:
    """Names of the scores that can be explained, the essential ones first."""
    return (name for name in MEANINGS if name in scores)


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
