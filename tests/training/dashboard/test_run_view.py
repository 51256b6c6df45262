import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mirage.training.dashboard.run_view import RunView, State
from mirage.training.runs.run_dir import Run
from tests.training.helpers.runs import report, trained_by_another, write_alarm, write_run


def state(run: Run) -> State:
    """The state as a browser gets it: JSON in the strict sense."""

    def no_constants(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    text = RunView(run.path).state().model_dump_json()
    return State.model_validate(json.loads(text, parse_constant=no_constants))


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    view = RunView(tmp_path / "later")
    before = view.state()
    assert (before.status, before.name, before.grids) == ("waiting", "later", [])
    assert view.curves() == []
    run = write_run(tmp_path / "later", reports=1)
    with trained_by_another(run):
        assert view.state().status == "training"


def test_a_run_that_goes_on_tells_how_long_it_will(tmp_path: Path) -> None:
    run = write_run(tmp_path, kimg=4, reports=2)
    with trained_by_another(run):
        found = state(run)
    assert found.status == "training"
    progress = found.progress
    assert (progress.nimg, progress.total, progress.kimg_per_s) == (2000, 4000, 0.5)
    assert progress.seconds_left is not None
    assert 0 <= progress.seconds_left <= 4
    assert progress.trained_s == 4
    assert not progress.late
    assert [grid.nimg for grid in found.grids] == [1000, 2000]
    assert {signal.name for signal in found.signals} == {"spread", "r1_to_r2"}


def test_the_speed_is_that_of_the_last_reports(tmp_path: Path) -> None:
    run = write_run(tmp_path, kimg=20, reports=3)
    for number in range(4, 9):
        run.append_stats(report(number, kimg_per_s=0.1))
    assert state(run).progress.kimg_per_s == pytest.approx(0.1)


def test_a_training_without_a_report_for_long_is_late(tmp_path: Path) -> None:
    run = write_run(tmp_path, reports=2)
    long_ago = time.time() - 3600
    os.utime(run.stats_file, (long_ago, long_ago))
    with trained_by_another(run):
        progress = state(run).progress
    assert progress.late
    assert progress.seconds_left == 0
    assert not state(run).progress.late  # nobody expects a report of a run that has stopped


def test_a_killed_run_tells_where_and_with_which_command_it_resumes(tmp_path: Path) -> None:
    run = write_run(tmp_path, kimg=4, reports=3)
    (run.checkpoints / "checkpoint-000003000.pt").unlink()
    (run.checkpoints / "checkpoint-000003000.pt.tmp").touch()
    found = state(run)
    assert found.status == "stopped"
    assert (found.progress.nimg, found.progress.resumes_at) == (3000, 2000)
    assert found.progress.seconds_left is None
    assert found.command == "cd /home/me && python -m training train --run 'my runs/one'"


def test_a_run_of_before_commands_were_recorded_has_none(tmp_path: Path) -> None:
    run = write_run(tmp_path, reports=1)
    run.command_file.unlink()
    assert state(run).command is None


def test_a_run_with_all_its_images_is_finished(tmp_path: Path) -> None:
    assert state(write_run(tmp_path, kimg=2, reports=2)).status == "finished"


def test_a_run_that_the_watchdog_stopped_tells_why(tmp_path: Path) -> None:
    run = write_run(tmp_path, reports=2)
    write_alarm(run)
    found = state(run)
    assert found.status == "failed"
    assert found.alarm
    assert (found.alarm.sign, found.alarm.advice) == ("spread", "Raise it.")
    with trained_by_another(run):
        assert state(run).alarm is None  # of the attempt before


def test_tells_the_stage_of_a_retraining_job(tmp_path: Path) -> None:
    run = write_run(tmp_path, kimg=2, reports=2)
    (run.path / "result.json").write_text(
        '{"model": "toy", "outcome": "running", "stage": "evaluate"}'
    )
    job = state(run).job
    assert job
    assert job.headline == "Running: stage evaluate"


def test_the_revision_changes_with_the_curves(tmp_path: Path) -> None:
    run = write_run(tmp_path, reports=2)
    view = RunView(run.path)
    first = view.state().revision
    assert view.state().revision == first
    run.append_stats(report(3))
    second = view.state().revision
    (run.snapshot_path(2000).with_suffix(".scores.json")).write_text("{}")
    assert len({first, second, view.state().revision}) == 3


def test_has_the_curves_of_statistics(tmp_path: Path) -> None:
    titles = [chart.title for chart in RunView(write_run(tmp_path, reports=3).path).curves()]
    assert titles[0] == "Losses"
    assert {"Diversity", "Learning rate", "Speed"} <= set(titles)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"config": {}, "data": {}}', "NaN", "[" * 2000, '{"config": 1}'],
)
def test_a_damaged_configuration_leaves_the_rest(tmp_path: Path, content: str) -> None:
    run = write_run(tmp_path, reports=2)
    run.config_file.write_text(content)
    found = state(run)
    assert found.status == "stopped"
    assert found.problem
    assert found.progress.total is None
    assert len(found.grids) == 2
    assert RunView(run.path).curves()


@pytest.mark.parametrize("change", [{"data": []}, {"data": {"shape": 3}}, {"kimg": float("inf")}])
def test_an_odd_configuration_leaves_the_rest(tmp_path: Path, change: dict[str, Any]) -> None:
    run = write_run(tmp_path, reports=2)
    content = json.loads(run.config_file.read_text())
    content["config"] |= {name: value for name, value in change.items() if name == "kimg"}
    content |= {name: value for name, value in change.items() if name == "data"}
    run.config_file.write_text(json.dumps(content))
    assert state(run).problem


@pytest.mark.parametrize(
    "name", ["command.json", "watchdog.json", "result.json", "stats.jsonl", "samples", "snapshots"]
)
def test_other_damaged_files_are_passed_over(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path, reports=2)
    path = run.path / name
    if path.is_dir():
        (path / "9odd.png").mkdir()
        (path / "9odd.scores.json").mkdir()
    else:
        path.write_bytes(b"\0\xff{[" * 100)
    found = state(run)
    assert found.status == "stopped"
    assert found.problem is None
    RunView(run.path).curves()


def test_nothing_is_written_to_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path, reports=2)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    view = RunView(run.path)
    view.state()
    view.curves()
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before
