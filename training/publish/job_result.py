"""What became of a retraining job: `result.json` in its run; and the folder of all runs."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mirage.bundle.format.manifest import Score
from mirage.bundle.store.durable import replace_durably, replace_file
from mirage.training.config import PROGRESS_FIELDS, TrainConfig
from mirage.training.data.cache import prune_sources
from mirage.training.errors import DataError, LockedError, exit_code_of
from mirage.training.publish.gate import Check
from mirage.training.runs.run_dir import Run

Stage = Literal["train", "export", "evaluate", "gate", "publish", "release"]
Outcome = Literal["running", "refused", "published", "released", "failed"]


class JobResult(BaseModel):
    """How far a job has come, or how it ended.

    run: the run's folder. stage: the last one begun. nimg: images that the scored snapshot has
    seen. version: what the graph of `model_sha256` is published as, whatever came of it later;
    released: whether this job released it. repeated: there was nothing left to do. scores and
    released_scores: of the graph and of the version that was released then, on the same data.
    checks: every threshold with the score's value and its bound. reasons: why it was refused or
    failed. report: the page about the run; None without a snapshot to show. exit_code: None while
    it runs.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="strings", protected_namespaces=()
    )

    model: str
    outcome: Outcome
    exit_code: int | None = None
    stage: Stage | None = None
    version: int | None = None
    released: bool = False
    repeated: bool = False
    run: str | None = None
    data_fingerprint: str | None = None
    nimg: int | None = None
    model_sha256: str | None = None
    scores: dict[str, Score] = {}
    released_version: int | None = None
    released_scores: dict[str, Score] = {}
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()
    report: str | None = None


def failure(model: str, error: Exception) -> JobResult:
    """The result of a job that an error ended before it had a run."""
    return JobResult(model=model, **failure_facts(error))


def failure_facts(error: Exception) -> dict[str, Any]:
    """What a result says of the error that ended its job."""
    return {
        "outcome": "failed",
        "exit_code": exit_code_of(error),
        "reasons": (str(error) or type(error).__name__,),
    }


def result_file(run: Path) -> Path:
    return run / "result.json"


def write_result(run: Path, result: JobResult) -> None:
    """Replace `result.json`; the caller holds the model's job lock."""
    run.mkdir(parents=True, exist_ok=True)
    replace_file(result_file(run), (result.model_dump_json(indent=2) + "\n").encode())


def read_result(run: Path) -> JobResult | None:
    """What a job left in a run; None when none did, or an older Mirage wrote it otherwise."""
    try:
        return JobResult.model_validate_json(result_file(run).read_bytes())
    except (OSError, ValidationError):
        return None


PREFIX = ".pruned-"


def run_path(runs: Path, model: str, config: TrainConfig, fingerprint: str) -> Path:
    """The run of a model for these data and settings; how long it trains makes no other run."""
    settings = config.model_dump(mode="json", exclude=PROGRESS_FIELDS)
    content = json.dumps([model, fingerprint, settings], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return runs / f"{model}-{config.preset}-{digest[:12]}"


def prune_runs(runs: Path, model: str, keep: int, current: Path) -> list[Path]:
    """Remove a model's runs but `current` and the last worked on, `keep` in all; answers them.

    Decoded data that none of the remaining runs in the folder uses are removed from the cache.
    Only runs with a job's result.json for this model are looked at, and one that a process is
    training stays.
    """
    others = [path for path in _runs_of(runs, model) if path.resolve() != current.resolve()]
    newest_first = sorted(others, key=lambda path: -result_file(path).stat().st_mtime_ns)
    read_before = _sources(runs)
    removed = [path for path in newest_first[max(keep - 1, 0) :] if _hide(path)]
    prune_sources(read_before - _sources(runs))
    for hidden in runs.glob(f"{PREFIX}*"):
        shutil.rmtree(hidden)
    return removed


def _sources(runs: Path) -> set[str]:
    """The sources of the data of all runs in a folder."""
    found = set()
    for config in runs.glob("[!.]*/config.json"):
        with suppress(DataError):
            found.add(Run(config.parent).read_config()[1].get("source", ""))
    return found


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
