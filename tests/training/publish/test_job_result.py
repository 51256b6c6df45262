import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Score
from mirage.training.config import build_config
from mirage.training.data.load import load_dataset
from mirage.training.errors import DataError
from mirage.training.publish.gate import Check
from mirage.training.publish.job_result import (
    JobResult,
    failure,
    prune_runs,
    read_result,
    result_file,
    run_path,
    write_result,
)
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    check = Check(
        score="frechet", threshold="max_frechet_ratio", limit=math.inf, value=2, bound=math.inf
    )
    result = JobResult(
        model="toy",
        outcome="refused",
        exit_code=4,
        stage="gate",
        scores={"frechet": Score(value=2, floor=0.5, n=10)},
        checks=(check,),
        reasons=("too far off",),
    )
    write_result(tmp_path / "run", result)
    assert read_result(tmp_path / "run") == result


def test_no_result_and_a_broken_one_are_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    result_file(tmp_path).write_text('{"model": "toy"')
    assert read_result(tmp_path) is None


def test_an_error_becomes_a_failure_with_its_exit_code() -> None:
    failed = failure("toy", DataError("no images"))
    assert (failed.outcome, failed.exit_code, failed.reasons) == ("failed", 3, ("no images",))
    assert failure("toy", BundleError("locked", "busy")).exit_code == 5
    assert failure("toy", BundleError("graph_invalid", "broken")).exit_code == 3


def path_of(runs: Path, model: str = "toy", fingerprint: str = "f", **changes: Any) -> Path:
    return run_path(runs, model, build_config("mnist", {**TINY, **changes}), fingerprint)


def test_a_run_is_named_by_model_and_preset(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    assert path.parent == tmp_path
    assert path.name.startswith("toy-mnist-")


def test_the_same_job_finds_its_run_however_long_it_trains(tmp_path: Path) -> None:
    assert path_of(tmp_path) == path_of(tmp_path, kimg=5) == path_of(tmp_path, snapshot_kimg=1)


@pytest.mark.parametrize("other", [{"model": "b"}, {"fingerprint": "g"}, {"seed": 1}], ids=str)
def test_another_model_data_or_setting_is_another_run(tmp_path: Path, other: dict) -> None:
    assert path_of(tmp_path, **other) != path_of(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs 0 … 3 of toy, the last one the newest, and what is none of its runs."""
    for number in range(4):
        _make_run(tmp_path / f"toy-{number}", "toy", age_s=100 - number)
    _make_run(tmp_path / "toy-other", "toy-other", age_s=1000)
    (tmp_path / "by-hand").mkdir()
    return tmp_path


def _make_run(path: Path, model: str, age_s: int) -> None:
    write_result(path, JobResult(model=model, outcome="published"))
    os.utime(result_file(path), (2_000_000_000 - age_s,) * 2)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_runs_of_a_model_stay(runs: Path) -> None:
    removed = prune_runs(runs, "toy", 2, current=runs / "toy-3")
    assert sorted(path.name for path in removed) == ["toy-0", "toy-1"]
    assert names(runs) == ["by-hand", "toy-2", "toy-3", "toy-other"]


def test_the_present_run_stays_however_old(runs: Path) -> None:
    prune_runs(runs, "toy", 1, current=runs / "toy-0")
    assert names(runs) == ["by-hand", "toy-0", "toy-other"]


def test_a_run_that_is_being_trained_stays(runs: Path) -> None:
    with Run(runs / "toy-0").locked():
        prune_runs(runs, "toy", 1, current=runs / "toy-3")
    assert names(runs) == ["by-hand", "toy-0", "toy-3", "toy-other"]


def test_what_a_killed_removal_left_goes_with_the_next(runs: Path) -> None:
    (runs / "toy-0").rename(runs / ".pruned-toy-0")
    assert prune_runs(runs, "toy", 9, current=runs / "toy-3") == []
    assert ".pruned-toy-0" not in names(runs)


def test_decoded_data_go_with_the_last_run_on_them(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = build_config("mnist", TINY)
    for number in range(4):
        file = tmp_path / f"{number // 2}.npy"
        np.save(file, np.zeros((8, 8, 8), np.uint8))
        Run(runs / f"toy-{number}").write_config(config, load_dataset(file).sheet())
    stored = tmp_path / "cache" / "mirage" / "datasets"
    prune_runs(runs, "toy", 3, current=runs / "toy-3")
    assert len(list(stored.glob("[!.]*"))) == 2
    prune_runs(runs, "toy", 2, current=runs / "toy-3")
    assert len(list(stored.glob("[!.]*"))) == 1
