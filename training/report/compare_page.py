"""A page that compares two models: images of the same seeds, and scores."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mirage.bundle.format.manifest import Score
from mirage.training.evaluation.contact_sheets import sample_sheet
from mirage.training.evaluation.scorecard import Scorecard
from mirage.training.publish.scored_model import ScoredModel
from mirage.training.report.images import still
from mirage.training.report.page import page, pictures, section, table
from mirage.training.report.score_gauges import (
    BOUNDS,
    MEANINGS,
    in_order,
    legend,
    pill,
    position_of_collapsed,
    quality,
    track,
    verdict,
    written,
)

STYLES = ("first", "second")


@dataclass(frozen=True)
class Side:
    """One of the two models, with its scorecard if there is one."""

    model: ScoredModel
    card: Scorecard | None

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores of the scorecard, else those recorded at export."""
        return self.card.scores if self.card else self.model.scores

    @property
    def collapsed(self) -> Mapping[str, float]:
        """The scores of a collapsed generator on the same data; empty if unknown."""
        return self.card.collapsed if self.card else {}


def write_comparison(first: Side, second: Side, to: Path) -> Path:
    """Write the page and return its path."""
    title = f"{first.model.name} and {second.model.name}"
    to.write_text(page(title, _body((first, second), title)), encoding="utf-8")
    return to


def _body(sides: tuple[Side, Side], title: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    yield _verdicts(sides)
    yield section("Pictures", _same_seeds(sides), _pictures(sides))
    yield section("Scores", _alike(sides), _scores(sides))
    yield section("What they are", "", table_of(sides))


def _verdicts(sides: tuple[Side, Side]) -> str:
    found = [verdict(side.scores, side.collapsed) for side in sides]
    return "".join(
        f'<p class="banner {one.grade.name.lower()}"><b>{escape(side.model.name)}: '
        f"{one.grade.value}</b><span>{escape(one.sentence)}</span></p>"
        for side, one in zip(sides, found, strict=True)
        if one
    )


def _same_seeds(sides: tuple[Side, Side]) -> str:
    classes = sides[0].model.classes == sides[1].model.classes != ()
    return "Seeds 0 to 99 of both" + (", one class per column." if classes else ".")


def _pictures(sides: tuple[Side, Side]) -> str:
    sheets = {
        side.model.name: still(
            sample_sheet(side.model.graph, len(side.model.classes)),
            f"Samples of {side.model.name}",
        )
        for side in sides
    }
    return pictures(sheets, max(max(side.model.image[:2]) for side in sides))


def _alike(sides: tuple[Side, Side]) -> str:
    cards = [side.card for side in sides]
    if cards[0] and cards[1]:
        if cards[0].compares_with(cards[1]):
            return "Comparable: same data, same feature network, same number of images."
        if cards[0].method != cards[1].method:
            return (
                "Measured by different versions of the scores and floors: not comparable. Run "
                "mirage evaluate again for both, or pass --data."
            )
        return "Measured with different data, feature networks or sizes: not comparable."
    same = sides[0].model.data_fingerprint == sides[1].model.data_fingerprint
    return "As recorded at export, " + ("on the same data." if same else "each on its own data.")


def _scores(sides: tuple[Side, Side]) -> str:
    first, second = sides
    names = [name for name in in_order(first.scores) if name in second.scores]
    if not names:
        return "<p>At least one model has no scores; pass <code>--data</code>.</p>"
    key = [(css, side.model.name) for css, side in zip(STYLES, sides, strict=True)]
    return legend([*key, *BOUNDS]) + "".join(_row(name, sides) for name in names)


def _row(name: str, sides: tuple[Side, Side]) -> str:
    positions = [quality(name, s.scores[name], s.collapsed.get(name)) for s in sides]
    ring = position_of_collapsed(name, sides[0].scores[name], sides[0].collapsed.get(name))
    marks = [*zip(STYLES, positions, strict=True), ("ring", ring)]
    pills = "".join(pill(p, s.model.name) for p, s in zip(positions, sides, strict=True))
    return (
        f'<section class="gauge"><h3>{escape(MEANINGS[name].question)}</h3>'
        f'<div class="pills">{pills}</div>{track(marks)}<p>{escape(_numbers(name, sides))}</p>'
        "</section>"
    )


def _numbers(name: str, sides: tuple[Side, Side]) -> str:
    """Both values, that of real data, and whether the difference exceeds the spread."""
    form = MEANINGS[name].form
    values = [side.scores[name].value for side in sides]
    parts = [
        f"{side.model.name} {written(value, form)}"
        for side, value in zip(sides, values, strict=True)
    ]
    parts.append(f"real data {written(sides[0].scores[name].floor, form)}")
    spreads = [side.card.spread.get(name, math.nan) if side.card else math.nan for side in sides]
    noise = math.hypot(*spreads)
    if not math.isnan(noise):
        clear = "exceeds" if abs(values[1] - values[0]) > 2 * noise else "is within"
        parts.append(f"the difference {clear} two standard deviations")
    return f"{name.replace('_', ' ')}: {', '.join(parts)}."


def table_of(sides: tuple[Side, Side]) -> str:
    """A table of preset, length of training and data of each model."""
    rows = {
        side.model.name: f"preset {side.model.preset}, "
        f"{side.model.kimg:,.0f} thousand images"
        f" seen, data {side.model.data_fingerprint[:12]}"
        for side in sides
    }
    return table(rows)
