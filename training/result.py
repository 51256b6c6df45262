"""What became of a retraining job: `result.json` in its run, and the line that it prints."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mirage.bundle.durable import replace_file
from mirage.bundle.errors import BundleError
from mirage.bundle.manifest import Score
from mirage.training.errors import TrainingError, exit_code_of
from mirage.training.gate import Check

Stage = Literal["train", "export", "evaluate", "gate", "publish", "release"]
Outcome = Literal["running", "refused", "published", "released", "failed"]


class Result(BaseModel):
    """How far a job has come, or how it ended.

    run: the run's folder. stage: the last one begun. nimg: images that the judged snapshot has
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


def failure(model: str, error: TrainingError | BundleError) -> Result:
    """The result of a job that an error ended before it had a run."""
    return Result(
        model=model, outcome="failed", exit_code=exit_code_of(error), reasons=(str(error),)
    )


def result_file(run: Path) -> Path:
    return run / "result.json"


def write_result(run: Path, result: Result) -> None:
    """Replace `result.json`; the caller holds the model's job lock."""
    run.mkdir(parents=True, exist_ok=True)
    replace_file(result_file(run), (result.model_dump_json(indent=2) + "\n").encode())


def read_result(run: Path) -> Result | None:
    """What a job left in a run; None when none did, or an older Mirage wrote it otherwise."""
    try:
        return Result.model_validate_json(result_file(run).read_bytes())
    except (OSError, ValidationError):
        return None
