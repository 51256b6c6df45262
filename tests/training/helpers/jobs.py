"""Retraining jobs that take a second or two: tiny data, networks and scores, and a lenient gate."""

from pathlib import Path
from typing import Any

from mirage.training.config import build_config
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.publish.gate import Thresholds
from mirage.training.retrain import Job
from tests.training.helpers.datasets import TINY, shapes_dataset

SIZES = Sizes(
    generated=32, reference=64, covered=16, kernel_subset=16, kernel_subsets=2, fit_images=128
)
OPEN = Thresholds(
    min_agreement=0,
    min_coverage=0,
    max_frechet_ratio=1e9,
    max_agreement_drop=1,
    max_coverage_drop=1,
    max_frechet_growth=1e9,
)
"""Lets every model pass."""


def make_job(folder: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Job:
    """A job for the model `toy` in folder/models; settings: changes of its configuration."""
    data = shapes_dataset()
    config = build_config("mnist", {**TINY, "kimg": 0.048, **(settings or {})})
    job: dict[str, Any] = {
        "to": folder / "models" / "toy",
        "config": config,
        "data": data,
        "test": data,
        "thresholds": OPEN,
        "runs": folder / "runs",
        "sizes": SIZES,
        "threads": 1,
    }
    return Job(**{**job, **changes})
