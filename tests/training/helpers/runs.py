"""Folders of runs, as a training leaves them at some moment."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mirage.training.config import build_config
from mirage.training.runs.command import Command
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset

COMMAND = Command(("python", "-m", "training", "train", "--run", "my runs/one"), "/home/me")


def write_run(path: Path, kimg: float = 4, reports: int = 0, **changes: Any) -> Run:
    """A run of `kimg` thousand images with one report, grid and checkpoint per thousand."""
    run = Run(path)
    config = build_config("mnist", {**TINY, "kimg": kimg, "status_kimg": 1, **changes})
    run.write_config(config, shapes_dataset().sheet())
    run.write_command(COMMAND)
    run.lock_file.touch()
    run.checkpoints.mkdir(exist_ok=True)
    for number in range(1, reports + 1):
        run.append_stats(report(number))
        run.save_grid(1000 * number, np.full((4, 8, 8, 1), 40 * number, np.uint8), 2)
        (run.checkpoints / f"checkpoint-{1000 * number:09d}.pt").touch()
    return run


def report(number: int, **more: float) -> dict[str, Any]:
    """The line of statistics after so many thousand images, at two seconds per thousand."""
    losses = {"d_loss": 1.0 / number, "g_loss": 2.0 + number, "r1": 0.5, "r2": 0.25}
    return {"nimg": 1000 * number, "kimg_per_s": 0.5, **losses, "spread": 0.9, "lr": 1e-3, **more}


def write_alarm(run: Run) -> None:
    """Record that the watchdog has stopped the run."""
    alarm = {"sign": "spread", "nimg": 2000, "value": 0.05, "threshold": 0.1, "advice": "Raise it."}
    run.watchdog_file.write_text(json.dumps({"first_sign": alarm, "signs": {}}))


@contextmanager
def trained_by_another(run: Run) -> Iterator[None]:
    """Hold the lock as a training process does."""
    with run.lock_file.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
