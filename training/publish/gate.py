"""The gate before publication: limits on scores, and no generator that makes a single image."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from pydantic import BaseModel, ConfigDict

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Score
from mirage.training.errors import CollapseError, UsageError
from mirage.training.runs.checkpoint import Snapshot
from mirage.training.tasks.samples import generate

Scores = Mapping[str, Score]
LOWER_IS_BETTER = {"frechet"}
BICUBIC_PSNR = "psnr_y_bicubic"


def _limit(default: float, meaning: str) -> float:
    limit: float = field(default=default, metadata={"meaning": meaning})
    return limit


@dataclass(frozen=True)
class Thresholds:
    """What a model must reach. Each is asked only where there is such a score.

    The defaults refuse what is broken, and what is worse than the released version by more than
    chance explains. Over five draws of 10,000 latents the scores of shipped digits spread by 0.0007
    (agreement), 0.005 (coverage) and 3 to 4 % (Fréchet distance); the difference of two models by
    the root of two as much. The tolerances are 5, 3 and 4 times that, and small against what
    matters: a lost class of ten costs 0.1 of agreement and of coverage. With fewer than 60,000
    images chance weighs more: `evaluate --seeds 3` tells how much. Of enlarged pictures the same
    are scored each time and chance has no part, so none may be lost. Raises UsageError for NaN and
    below 0; infinity lifts a maximum, 0 a minimum.
    """

    min_agreement: float = _limit(0.9, "least share of images that show the class asked for")
    min_coverage: float = _limit(0.5, "least share of real images that generated ones come near")
    max_frechet_ratio: float = _limit(100, "largest Fréchet distance, as a multiple of its floor")
    max_agreement_drop: float = _limit(0.005, "how far below the released version's agreement")
    max_coverage_drop: float = _limit(0.02, "how far below the released version's coverage")
    max_frechet_growth: float = _limit(1.25, "as a multiple of the released version's distance")
    min_gain: float = _limit(0, "least PSNR of luma above bicubic interpolation, in dB")
    max_psnr_drop: float = _limit(0, "how far below the released version's PSNR of luma, in dB")

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if math.isnan(value) or value < 0:
                raise UsageError(f"{flag(limit.name)} is {value}; a number from 0 on is allowed")


class Check(BaseModel):
    """A score held against a threshold: `value` must be at least, or at most, `bound`."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    score: str
    threshold: str
    limit: float
    value: float
    bound: float

    @property
    def lower_is_better(self) -> bool:
        """Whether `bound` is the most that is allowed."""
        return self.score in LOWER_IS_BETTER

    @property
    def passed(self) -> bool:
        """False also for a value that is no number."""
        return self.value <= self.bound if self.lower_is_better else self.value >= self.bound

    def __str__(self) -> str:
        side = "at most" if self.lower_is_better else "at least"
        asked = f"{flag(self.threshold)} {self.limit:g} asks for {side} {self.bound:.4g}"
        return f"{self.score} is {self.value:.4g}; {asked}"


def check_scores(scores: Scores, released: Scores | None, limits: Thresholds) -> list[Check]:
    """Every threshold that applies; `released`: the released version's scores on the same data."""
    bounds = [*_fixed(scores, limits), *(_relative(released, limits) if released else ())]
    return [
        Check(
            score=score,
            threshold=threshold,
            limit=getattr(limits, threshold),
            value=scores[score].value,
            bound=bound,
        )
        for score, threshold, bound in bounds
        if score in scores
    ]


def _fixed(scores: Scores, limits: Thresholds) -> Iterator[tuple[str, str, float]]:
    yield "agreement", "min_agreement", limits.min_agreement
    yield "coverage", "min_coverage", limits.min_coverage
    if "frechet" in scores:
        floor = scores["frechet"].floor or 0.0
        yield "frechet", "max_frechet_ratio", limits.max_frechet_ratio * floor
    if BICUBIC_PSNR in scores:
        yield "psnr_y", "min_gain", scores[BICUBIC_PSNR].value + limits.min_gain


def _relative(released: Scores, limits: Thresholds) -> Iterator[tuple[str, str, float]]:
    for score, threshold in (
        ("agreement", "max_agreement_drop"),
        ("coverage", "max_coverage_drop"),
        ("psnr_y", "max_psnr_drop"),
    ):
        if score in released:
            yield score, threshold, released[score].value - getattr(limits, threshold)
    if "frechet" in released:
        highest = released["frechet"].value * limits.max_frechet_growth
        yield "frechet", "max_frechet_growth", highest


def flag(threshold: str) -> str:
    """A threshold's name on the command line."""
    return "--" + threshold.replace("_", "-")


IMAGES = 64
LEAST_SPREAD = 1.0
"""Grey levels; below it no pixel tells two images of a class apart."""


def check_spread(snapshot: Snapshot) -> float:
    """The largest standard deviation of a pixel, in grey levels, over 64 images of one class.

    Raises CollapseError below one grey level. Weights that are no numbers end there too; finer
    kinds of collapse are the scores' to see.
    """
    architecture = snapshot.architecture
    latents, _ = draw_latents(0, 0, IMAGES, architecture.latent_dim)
    labels = np.zeros(IMAGES, np.int64) if architecture.num_classes else None
    images = architecture.medium.pictures(generate(snapshot.generator, latents, labels))
    spread = float(images.std(axis=0, dtype=np.float64).max())
    if spread < LEAST_SPREAD:
        raise CollapseError(
            f"{snapshot.path.name} makes the same image whatever its latents: no pixel varies by "
            f"more than {spread:.2g} grey levels, at least {LEAST_SPREAD:g} is allowed"
        )
    return spread
