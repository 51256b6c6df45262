"""The outcome of one evaluation: scores, between what they lie, and how they were measured."""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mirage.bundle.manifest import Score
from mirage.training.errors import DataError
from mirage.training.run import write_text


class Scorecard(BaseModel):
    """Scores by name, each with its floor and its number of images.

    spread: standard deviation over `seeds` draws of latents (empty for one). collapsed: the score
    of one real image per class, repeated. network, network_sha256, data_fingerprint and sizes: two
    scorecards compare only where these are equal. seconds: how long the evaluation took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: dict[str, Score]
    spread: dict[str, float] = {}
    collapsed: dict[str, float] = {}
    seeds: int = 1
    network: str
    network_sha256: str
    data_fingerprint: str
    sizes: dict[str, int]
    full: bool
    seconds: float

    def compares_with(self, other: "Scorecard") -> bool:
        """Whether the two were measured alike, so that a difference is one of the models."""
        keys = ("network_sha256", "data_fingerprint", "sizes")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


def scores_file(snapshot: Path) -> Path:
    """Where a run keeps the scorecard of a snapshot: beside it."""
    return snapshot.with_suffix(".scores.json")


def write_scorecard(path: Path, card: Scorecard) -> None:
    """Write beside, then rename."""
    write_text(path, json.dumps(card.model_dump(), indent=2) + "\n")


def read_scorecard(path: Path) -> Scorecard | None:
    """A scorecard by `write_scorecard`; None when there is none. Raises DataError if broken."""
    if not path.exists():
        return None
    try:
        return Scorecard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path.name} is no scorecard; evaluate again") from error


def known_scorecard(path: Path) -> Scorecard | None:
    """A scorecard as `read_scorecard`; None also for one that another Mirage wrote otherwise."""
    try:
        return read_scorecard(path)
    except DataError:
        return None


def table(card: Scorecard) -> Iterator[str]:
    """One line per score, for people, and what they were measured with."""
    yield f"{'score':<18}{'model':>10}{'spread':>10}{'real':>10}{'collapsed':>11}{'images':>9}"
    for name, score in card.scores.items():
        numbers = (score.value, card.spread.get(name), score.floor, card.collapsed.get(name))
        cells = [f"{number:.4f}" if number is not None else "-" for number in numbers]
        widths = (10, 10, 10, 11)
        row = "".join(f" {cell:>{width - 1}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{name:<18}{row}{score.n or '-':>9}"
    yield ""
    yield from notes(card)


def notes(card: Scorecard) -> Iterator[str]:
    """What one must know to compare these scores with others."""
    yield (
        f"features: {card.network} ({card.network_sha256[:12]}); "
        f"comparable only on data {card.data_fingerprint[:12]}"
    )
    if not card.full:
        yield (
            f"rough: {card.sizes['generated']:,} generated against {card.sizes['reference']:,} "
            "real images, where the full scores take 10,000 against 50,000"
        )
