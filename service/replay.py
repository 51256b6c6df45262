"""Replays a bundle's golden images through the engine that will serve them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.golden import Case, Golden
from mirage.service.engine import Engine

TOLERANCE = 1.0  # grey levels in float32, however much a manifest would allow
REDUCED_TOLERANCE, REDUCED_MEAN = 2.0, 0.25  # grey levels in a reduced precision


@dataclass(frozen=True)
class Deviation:
    """How far the engine's images are from the golden ones, in grey levels."""

    largest: float
    mean: float
    allowed: float
    allowed_mean: float

    @property
    def passes(self) -> bool:
        """Whether the engine may serve the bundle."""
        return self.largest <= self.allowed and self.mean <= self.allowed_mean

    def __str__(self) -> str:
        return (
            f"{self.largest:g} grey levels at most, {self.mean:.4f} on average;"
            f" {self.allowed:g} and {self.allowed_mean:g} allowed"
        )


def replay_golden(engine: Engine, golden: Golden) -> Deviation:
    """Compare the engine's images of the golden inputs with the stored ones."""
    differences = np.concatenate([_difference(engine, case) for case in golden.cases])
    if engine.kind.precision == "float32":
        allowed = allowed_mean = min(engine.manifest.golden_tolerance, TOLERANCE)
    else:
        allowed, allowed_mean = REDUCED_TOLERANCE, REDUCED_MEAN
    return Deviation(float(differences.max()), float(differences.mean()), allowed, allowed_mean)


def _difference(engine: Engine, case: Case) -> NDArray[np.int16]:
    """The grey levels by which each value of a case's images differs, int16 `[values]`."""
    images = engine.run(list(case.inputs.values()))
    difference: NDArray[np.int16] = np.abs(images.astype(np.int16) - case.images)
    return difference.ravel()
