"""The command `sweep`, with trainings of one step."""

from pathlib import Path

import pytest

from mirage.training.__main__ import main
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import tiny_flags, write_idx_folder


def command(data: Path, to: Path, *more: str) -> list[str]:
    search = ["--set", "lr=log:1e-4..1e-2", "--trials", "2", "--kimg", "0.008"]
    common = ["sweep", "--data", str(data), "--to", str(to), "--threads", "1", "--device", "cpu"]
    return [*common, *tiny_flags(), *search, *more]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    write_idx_folder(tmp_path / "data", 96)  # scores need as many
    return tmp_path / "data"


def test_each_trial_is_a_run_with_a_score(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(data, tmp_path / "sweep")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["trial 0", "trial 1"]
    assert all("--set lr=" in line and "frechet " in line for line in lines)
    assert lines[2].startswith("best: trial ")
    rates = [Run(tmp_path / f"sweep/trial-00{n}").read_config()[0].lr.at(0) for n in (0, 1)]
    assert rates[0] != rates[1]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert main(command(data, tmp_path / "sweep")) == 0  # nothing is left to do
    assert capsys.readouterr().out.splitlines() == lines[2:]


def test_a_trial_that_collapses_has_no_score(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hopeless = ["--set", "watch.patience=1", "--set", "watch.gradient=1e-9"]
    assert main(command(data, tmp_path / "sweep", *hopeless, "--kimg", "0.032")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("stopped after" in line for line in lines)


def test_a_sweep_without_a_range_is_a_usage_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "--data", str(data), "--to", str(tmp_path / "sweep")]
    assert main(arguments) == 2
    assert "--set has no range; at least one is needed, as one of log:" in capsys.readouterr().err
