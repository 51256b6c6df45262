"""What a score means to whoever knows no statistics: a question, a place on a scale, a word."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from mirage.bundle.manifest import Score


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
        "The judge reads {floor} of real images rightly, so more is not to be had.",
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
