"""The folder of all runs: what a job calls its run, and which old ones may go."""

import hashlib
import json
import shutil
from pathlib import Path

from mirage.bundle.durable import replace_durably
from mirage.training.config import PROGRESS_FIELDS, TrainConfig
from mirage.training.errors import LockedError
from mirage.training.result import read_result, result_file
from mirage.training.run import Run

PREFIX = ".pruned-"


def run_path(runs: Path, model: str, config: TrainConfig, fingerprint: str) -> Path:
    """The run of a model for these data and settings; how long it trains makes no other run."""
    settings = config.model_dump(mode="json", exclude=PROGRESS_FIELDS)
    content = json.dumps([model, fingerprint, settings], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return runs / f"{model}-{config.preset}-{digest[:12]}"


def prune_runs(runs: Path, model: str, keep: int, current: Path) -> list[Path]:
    """Remove a model's runs but `current` and the last worked on, `keep` in all; answers them.

    Only runs with a job's result.json for this model are looked at, and one that a process is
    training stays.
    """
    others = [path for path in _runs_of(runs, model) if path.resolve() != current.resolve()]
    newest_first = sorted(others, key=lambda path: -result_file(path).stat().st_mtime_ns)
    removed = [path for path in newest_first[max(keep - 1, 0) :] if _hide(path)]
    for hidden in runs.glob(f"{PREFIX}*"):
        shutil.rmtree(hidden)
    return removed


def _runs_of(runs: Path, model: str) -> list[Path]:
    found = [path for path in runs.glob("[!.]*") if result_file(path).exists()]
    return [path for path in found if (result := read_result(path)) and result.model == model]


def _hide(path: Path) -> bool:
    """Out of sight in one step, so that a kill leaves no half of a run to go on with."""
    try:
        with Run(path).locked():
            replace_durably(path, path.with_name(f"{PREFIX}{path.name}"))
    except LockedError:
        return False
    return True
