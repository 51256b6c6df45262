import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.lock import lock_job
from mirage.bundle.store.prune import prune
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import Release, read_release, release, rollback
from mirage.training.config import build_config
from mirage.training.errors import CollapseError, DataError, StoppedError, UsageError
from mirage.training.publish.job_result import read_result
from mirage.training.retrain import Job, retrain
from mirage.training.runs.step import Step
from tests.bundles import Toy, publish_toy
from tests.training.helpers.jobs import OPEN, make_job

ROOT = Path(__file__).parents[2]
FEW_IMAGES = {"kimg": 0.008, "checkpoint_kimg": 0.008}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _shared_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """One step, and a gate that lets everything pass."""
    return make_job(tmp_path, FEW_IMAGES)


def release_toy(job: Job, **changes: Any) -> None:
    """A released version of the model that no job has made."""
    toy = Toy(**{"labels": ("left", "right"), "height": 8, "width": 8, **changes})
    publish_toy(job.to.parent, toy, job.to.name)
    release(job.to.parent, job.to.name, 1)


def test_publishes_a_verified_scored_version_and_releases_nothing(job: Job) -> None:
    result = retrain(job)
    assert (result.outcome, result.exit_code, result.version) == ("published", 0, 1)
    manifest = load_bundle(job.to / "1").manifest
    assert manifest.scores == result.scores
    assert manifest.files["model.onnx"].sha256 == result.model_sha256
    assert manifest.training.data_fingerprint == result.data_fingerprint == job.data.fingerprint
    assert read_release(job.to.parent, "toy") is None


def test_leaves_its_result_in_the_run(job: Job) -> None:
    result = retrain(job)
    run = Path(result.run or "")
    assert run.parent == job.runs
    assert read_result(run) == result
    assert result.report == str(run / "report.html")
    assert "Published as toy@1" in Path(result.report).read_text()


def test_a_repeat_does_nothing_and_says_so(job: Job) -> None:
    first = retrain(job)
    before = _times(job)
    assert retrain(job) == first.model_copy(update={"repeated": True})
    assert _times(job) == before
    assert list_versions(job.to.parent, "toy") == [1]


def _times(job: Job) -> dict[Path, int]:
    files = [path for root in (job.runs, job.to) for path in root.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files if not path.name.startswith(".")}


def test_releases_only_when_asked_and_only_once(job: Job) -> None:
    release_toy(job)
    retrain(job)
    assert read_release(job.to.parent, "toy") == Release(1, None)
    result = retrain(replace(job, release=True))
    assert (result.outcome, result.version, result.repeated) == ("released", 2, False)
    assert read_release(job.to.parent, "toy") == Release(2, 1)
    rollback(job.to.parent, "toy")
    assert retrain(replace(job, release=True)).repeated
    assert read_release(job.to.parent, "toy") == Release(1, 2)


def test_a_version_that_was_pruned_since_is_not_made_again(job: Job) -> None:
    retrain(job)
    publish_toy(job.to.parent, Toy(labels=("left", "right"), height=8, width=8), "toy")
    assert prune(job.to.parent, "toy", 1) == [1]
    assert retrain(job).repeated
    assert list_versions(job.to.parent, "toy") == [2]


def test_an_ensemble_as_the_newest_version_is_passed_over(job: Job, tmp_path: Path) -> None:
    retrain(job)
    longer = make_job(tmp_path, {**FEW_IMAGES, "kimg": 0.016})
    retrain(longer)
    members = [Member(version=version, weight=1) for version in (1, 2)]
    publish_ensemble(job.to.parent, "toy", members)
    assert retrain(job).version == 1
    assert retrain(longer).version == 2
    assert retrain(make_job(tmp_path, {**FEW_IMAGES, "kimg": 0.024})).version == 4


def test_a_store_that_was_emptied_is_filled_again(job: Job) -> None:
    retrain(job)
    (job.to / "1").rename(job.to.parent / "away")
    result = retrain(job)
    assert (result.version, result.repeated) == (1, False)


def test_a_longer_training_goes_on_in_the_same_run(job: Job, tmp_path: Path) -> None:
    first = retrain(job)
    longer = retrain(make_job(tmp_path, {**FEW_IMAGES, "kimg": 0.016}))
    assert (longer.run, longer.version, longer.nimg) == (first.run, 2, 16)
    assert retrain(job).version == 1  # the shorter one is a snapshot of the same run


def test_a_model_below_a_fixed_threshold_is_refused(job: Job) -> None:
    strict = replace(job, thresholds=replace(OPEN, min_coverage=1))
    result = retrain(strict)
    assert (result.outcome, result.exit_code, result.version) == ("refused", 4, None)
    assert result.reasons == (
        f"coverage is {result.scores['coverage'].value:.4g}; --min-coverage 1 asks for at least 1",
    )
    assert list_versions(job.to.parent, "toy") == []
    assert "Rejected by the gate" in Path(result.report or "").read_text()
    assert retrain(strict).outcome == "refused"
    assert retrain(job).outcome == "published"


def test_the_released_version_is_scored_on_the_same_data_and_may_not_be_better(job: Job) -> None:
    release_toy(job)
    result = retrain(replace(job, thresholds=replace(OPEN, max_frechet_growth=0)))
    assert result.released_version == 1
    assert result.released_scores.keys() == result.scores.keys()
    assert result.released_scores["frechet"] != result.scores["frechet"]
    assert result.released_scores["frechet"].floor == result.scores["frechet"].floor
    assert result.reasons == (
        f"frechet is {result.scores['frechet'].value:.4g}; "
        "--max-frechet-growth 0 asks for at most 0",
    )
    assert list_versions(job.to.parent, "toy") == [1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"labels": ("down", "up")}, "makes images of 8x8 grey and classes down, up and the data"),
        ({"width": 12}, "toy@1 makes images of 12x8 grey"),
        ({"channels": 3}, "needs a name of its own"),
    ],
)
def test_a_model_of_another_kind_is_refused_before_training(
    job: Job, other: dict[str, Any], said: str
) -> None:
    release_toy(job, **other)
    with pytest.raises(DataError, match=said):
        retrain(job)
    assert not list(job.runs.glob("*/checkpoints"))


def test_a_collapsed_model_is_never_published(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.training.publish.gate.LEAST_SPREAD", 256)
    for _ in range(2):
        with pytest.raises(CollapseError):
            retrain(job)
    (run,) = job.runs.iterdir()
    past = read_result(run)
    assert past
    assert (past.outcome, past.exit_code, past.stage) == ("failed", 6, "evaluate")
    assert "makes the same image" in Path(past.report or "").read_text()
    assert list_versions(job.to.parent, "toy") == []


def test_an_unexpected_error_is_noted_as_a_failure_and_a_repeat_goes_on(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", step)
        with pytest.raises(RuntimeError, match="out of memory"):
            retrain(job)
    (run,) = job.runs.iterdir()
    past = read_result(run)
    assert past
    assert (past.outcome, past.exit_code, past.stage) == ("failed", 1, "train")
    assert past.reasons == ("out of memory",)
    assert retrain(job).outcome == "published"


def test_a_job_that_was_asked_to_stop_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, {"kimg": 0.024})
    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", _stopping(Step.__call__))
        with pytest.raises(StoppedError, match="the same command goes on"):
            retrain(job)
    assert retrain(job).version == 1


def _stopping(play: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return play(*arguments)

    return step


def test_of_two_at_once_one_is_refused(job: Job) -> None:
    job.to.mkdir(parents=True)
    with lock_job(job.to, wait=False), pytest.raises(BundleError) as caught:
        retrain(job)
    assert caught.value.reason == "locked"
    assert not job.runs.exists()


def test_a_run_of_other_data_is_left_alone(job: Job, tmp_path: Path) -> None:
    ours = replace(job, run=tmp_path / "run")
    retrain(ours)
    before = read_result(tmp_path / "run")
    with pytest.raises(UsageError, match="started with other data"):
        retrain(replace(ours, data=replace(job.data, fingerprint="other")))
    with pytest.raises(UsageError, match="seed was 0 and is 1"):
        retrain(replace(ours, config=build_config("mnist", {**_settings(ours), "seed": 1})))
    assert read_result(tmp_path / "run") == before


def _settings(job: Job) -> dict[str, Any]:
    return {key: value for key, value in job.config.model_dump().items() if key != "preset"}


def test_too_few_images_are_told_before_training(job: Job) -> None:
    data = replace(job.data, images=job.data.images[:50])
    with pytest.raises(DataError, match="50 images"):
        retrain(replace(job, data=data, sizes=None))
    assert not job.runs.exists()


def test_old_runs_go_when_a_new_one_ends(job: Job, tmp_path: Path) -> None:
    retrain(job)
    result = retrain(replace(make_job(tmp_path, {**FEW_IMAGES, "seed": 1}), keep_runs=1))
    assert [str(path) for path in job.runs.iterdir()] == [result.run]
    assert list_versions(job.to.parent, "toy") == [1, 2]


def test_killed_before_every_file_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.training.helpers.kills", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-2000:]
    summary = json.loads(ended.stdout)
    assert summary["ended"] == summary["whole"]
    assert summary["whole"]["versions"] == [1]
    assert summary["whole"]["outcome"] == "released"
    assert {"before config.json", "before 1", "after 1", "after release.json"} <= {
        *summary["killed_at"]
    }
    assert summary["processes"] == len(summary["killed_at"]) + 1 > 15
