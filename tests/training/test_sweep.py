"""Trials of a search, taken by several processes, with Optuna's own journal."""

import builtins
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from mirage.training.errors import UsageError
from mirage.training.sweep import Sweep, examples_of, is_range

RANGES = {"lr": "log:1e-4..1e-2", "batch_size": "int:4..8", "augment": "any:none|flip"}


def sweep(folder: Path, count: int = 3, **ranges: str) -> Sweep:
    return Sweep(folder, ranges or RANGES, count, lower=True)


def test_ranges_are_told_from_values() -> None:
    assert all(map(is_range, RANGES.values()))
    assert not any(map(is_range, ("0.1", "flip,colour", "none")))


def test_each_trial_has_settings_in_their_ranges_and_a_folder(tmp_path: Path) -> None:
    search, seen = sweep(tmp_path), []
    for number in range(3):
        with search.trial() as trial:
            assert trial is not None
            assert (trial.number, trial.run) == (number, tmp_path / f"trial-00{number}")
            assert 1e-4 <= float(trial.settings["lr"]) <= 1e-2
            assert int(trial.settings["batch_size"]) in range(4, 9)
            assert trial.settings["augment"] in ("none", "flip")
            seen.append(trial.settings)
            search.finish(trial, float(number))
    with search.trial() as trial:
        assert trial is None
    assert len({tuple(settings.items()) for settings in seen}) == 3


def test_the_best_trial_has_the_lowest_score_of_those_that_have_one(tmp_path: Path) -> None:
    search = sweep(tmp_path)
    assert search.best() is None
    for score in (3.0, None, 2.0):
        with search.trial() as trial:
            assert trial is not None
            search.prune(trial) if score is None else search.finish(trial, score)
    found = search.best()
    assert found is not None
    assert (found[0].number, found[1]) == (2, 2.0)


def test_a_trial_that_was_left_is_taken_again_with_its_settings(tmp_path: Path) -> None:
    first = sweep(tmp_path)
    with first.trial() as left:
        assert left is not None
    with sweep(tmp_path).trial() as again:
        assert again == left


def test_a_trial_of_another_process_is_not_taken(tmp_path: Path) -> None:
    with sweep(tmp_path).trial() as first, sweep(tmp_path).trial() as second:
        assert first is not None
        assert second is not None
        assert (first.number, second.number) == (0, 1)


def work(folder: Path) -> None:
    search = sweep(folder, 12)
    while True:
        with search.trial() as trial:
            if trial is None:
                return
            with (trial.run / "taken").open("a") as file:
                file.write("once\n")
            search.finish(trial, float(trial.settings["lr"]))


def test_processes_share_the_trials_without_doubling_one(tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    workers = [start.Process(target=work, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    taken = [path.read_text() for path in sorted(tmp_path.glob("trial-*/taken"))]
    assert taken == ["once\n"] * 12


@pytest.mark.parametrize(
    "text", ["log:0..1", "log:1e-3", "int:1..2.5", "linear:2..1", "log:a..b", "int:4"]
)
def test_an_invalid_range_is_a_usage_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=f"--set lr is {text}; ranges are log:LOW..HIGH"):
        sweep(tmp_path, lr=text)


def test_a_folder_keeps_what_it_was_begun_with(tmp_path: Path) -> None:
    sweep(tmp_path)
    reason = r"was begun with --set lr log:1e-4\.\.1e-2, not log:1e-5\.\.1e-2; use a new folder"
    with pytest.raises(UsageError, match=reason):
        sweep(tmp_path, **RANGES | {"lr": "log:1e-5..1e-2"})


def test_without_optuna_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builtins.__import__

    def no_optuna(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("optuna"):
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_optuna)
    with pytest.raises(UsageError, match=r"sweep needs Optuna; run pip install .*\[sweep\]"):
        sweep(tmp_path)


def test_examples_hold_all_ends_and_choices_as_texts_as_in_trials() -> None:
    assert examples_of({**RANGES, "loss": "any:hinge|relativistic|logistic"}) == [
        {"lr": "0.0001", "batch_size": "4", "augment": "none", "loss": "hinge"},
        {"lr": "0.01", "batch_size": "8", "augment": "flip", "loss": "relativistic"},
        {"lr": "0.01", "batch_size": "8", "augment": "flip", "loss": "logistic"},
    ]
    with pytest.raises(UsageError, match="--set lr is int:4; ranges are log:LOW"):
        examples_of({"lr": "int:4"})
