"""The result of an evaluation: scores, their bounds, and the number of images."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mirage.bundle.format.manifest import Score
from mirage.training.data.findings import LEAST_DATA
from mirage.training.errors import DataError
from mirage.training.runs.run_dir import write_text


class Scorecard(BaseModel):
    """Scores by name, each with its floor and its number of images.

    spread: standard deviation over `seeds` sets of latents (empty for one). collapsed: the score of
    one real image per class, repeated. network, network_sha256, data_fingerprint, sizes, method:
    scorecards are comparable only if these are equal. method: `METHOD` of the evaluation; 0: made
    before it was recorded. seconds: duration of the evaluation.
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
    method: int = 0
    full: bool
    seconds: float

    def compares_with(self, other: "Scorecard") -> bool:
        """Whether two scorecards are comparable."""
        keys = ("network_sha256", "data_fingerprint", "sizes", "method")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


def scores_file(snapshot: Path) -> Path:
    """The path of the scorecard of a snapshot, next to it."""
    return snapshot.with_suffix(".scores.json")


def write_scorecard(path: Path, card: Scorecard) -> None:
    """Write the scorecard atomically."""
    write_text(path, json.dumps(card.model_dump(), indent=2) + "\n")


def read_scorecard(path: Path) -> Scorecard | None:
    """Read a scorecard; None if there is none. Raises DataError if it is invalid."""
    if not path.exists():
        return None
    try:
        return Scorecard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path.name} is no scorecard; evaluate again") from error


def known_scorecard(path: Path) -> Scorecard | None:
    """Like `read_scorecard`, but returns None for an invalid or older scorecard."""
    try:
        return read_scorecard(path)
    except DataError:
        return None


def table(card: Scorecard) -> Iterator[str]:
    """One line of text per score, and the conditions of the measurement."""
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
    """Conditions that matter for comparisons with other scores."""
    yield (
        f"features: {card.network} ({card.network_sha256[:12]}); "
        f"comparable only on data {card.data_fingerprint[:12]}"
    )
    if not card.full:
        yield (
            f"rough: {card.sizes['generated']:,} generated against {card.sizes['reference']:,} "
            "real images, where the full scores take 10,000 against 50,000"
        )
        if (covered := card.sizes.get("covered", CLEAR_SHARES)) < CLEAR_SHARES:
            yield (
                f"precision, recall, coverage and memorised are shares of {covered:,} images; "
                f"they vary by up to {1 / covered**0.5:.2f} by chance"
            )


CLEAR_SHARES = 1_000
"""Images from which on two standard errors of a share, at most 1 / sqrt(n), are below 0.03."""
FULL_DATA = 60_000
FAST_DATA = 12_000
MAX_EPOCHS = 30
MOST_FIT, FAST_FIT, LEAST_FAST_FIT = 100_000, 25_000, 1_000
LEAST_FIT = 10_000
"""Minimum number of images shown to a feature network in training, however small the data."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of images; scores are comparable only for equal sizes.

    generated: generated images, and held-out real ones for the floors. reference: real images that
    both are compared with. covered: images of each side for scores of nearest neighbours.
    kernel_subsets, kernel_subset: number and size of the random subsets of the kernel distance.
    fit_images: images shown to a feature network in training.
    """

    generated: int = 10_000
    reference: int = 50_000
    covered: int = 5_000
    kernel_subset: int = 1_000
    kernel_subsets: int = 100
    fit_images: int = 100_000

    @property
    def full(self) -> bool:
        """Whether these are the sizes for 60,000 images or more."""
        return self == Sizes()

    @classmethod
    def of(cls, images: int, fast: bool = False, most: int = FAST_DATA) -> "Sizes":
        """The sizes for a data set, proportional below 60,000 images; `fast` limits them to `most`.

        Raises DataError below 96 images, which are too few for scores of neighbours.
        """
        if images < LEAST_DATA:
            raise DataError(f"{images} images; scores need at least {LEAST_DATA}")
        share = min(images, most if fast else FULL_DATA)
        generated = share // 6
        return cls(
            generated=generated,
            reference=share - generated,
            covered=generated // 2,
            kernel_subset=min(1_000, generated),
            kernel_subsets=20 if fast else 100,
            fit_images=min(
                max(LEAST_FAST_FIT, FAST_FIT * most // FAST_DATA) if fast else MOST_FIT,
                max(MAX_EPOCHS * images, LEAST_FIT),
            ),
        )
