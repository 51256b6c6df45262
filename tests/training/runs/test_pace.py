from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mirage.training.config import build_config
from mirage.training.runs import pace
from mirage.training.runs.checkpoint import load_latest
from mirage.training.runs.loop import train
from mirage.training.runs.pace import Pace
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset


def test_a_first_grid_within_two_minutes_and_then_one_every_five() -> None:
    now = 0.0
    watched = Pace(lambda: now)
    due = []
    for second in range(0, 1_300, 10):
        now = float(second)
        if watched.is_due():
            due.append(second)
            watched.saved()
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert due[0] <= 120
    assert max(gaps) <= 300
    assert len(due) == 5


def trained(folder: Path, kimg: float) -> Run:
    config = build_config("mnist", {**TINY, "kimg": kimg, "status_kimg": 0.032})
    return train(config, shapes_dataset(), folder, threads=1)


def test_saving_by_the_clock_does_not_change_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = trained(tmp_path / "plain", 0.064)
    monkeypatch.setattr(pace, "FIRST_S", 0.0)
    monkeypatch.setattr(pace, "EVERY_S", 0.0)
    often = trained(tmp_path / "often", 0.064)
    assert len(list(often.samples.iterdir())) == 9
    assert len(list(plain.samples.iterdir())) == 3
    assert [p.name for p in often.snapshots.iterdir()] == [
        p.name for p in plain.snapshots.iterdir()
    ]
    ours, theirs = (load_latest(run.checkpoints)["players"] for run in (often, plain))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_resuming_between_two_reports_keeps_their_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = trained(tmp_path / "plain", 0.064)
    monkeypatch.setattr(pace, "FIRST_S", 0.0)
    monkeypatch.setattr(pace, "EVERY_S", 0.0)
    broken = trained(tmp_path / "broken", 0.048)
    newest, previous = sorted(broken.checkpoints.iterdir(), reverse=True)
    newest.unlink()  # as if killed before its last save, which comes with a report
    assert previous.name == "checkpoint-000000040.pt"
    resumed = trained(tmp_path / "broken", 0.064)
    reports = [
        {name: value for name, value in run.read_stats()[-1].items() if name != "kimg_per_s"}
        for run in (plain, resumed)
    ]
    assert reports[0] == reports[1]
