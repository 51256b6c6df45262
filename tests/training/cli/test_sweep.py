"""The command `sweep`, with trainings of one step."""

from pathlib import Path

import pytest

from mirage.training.__main__ import main
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import shapes, tiny_flags, write_idx, write_idx_folder


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


@pytest.mark.parametrize(
    "flags", [["--mirror"], ["--size", "16", "--upscale"], ["--labels", "none"]], ids=str
)
def test_a_sweep_goes_on_only_with_data_read_in_the_same_way(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    assert main(command(data, tmp_path / "sweep", "--trials", "1")) == 0
    assert main(command(data, tmp_path / "sweep", *flags)) == 2
    assert "was begun with training data " in capsys.readouterr().err
    assert len(list((tmp_path / "sweep").glob("trial-*"))) == 1


def test_a_sweep_goes_on_only_with_the_same_test_data(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(data, tmp_path / "sweep", "--trials", "1")) == 0
    write_idx(data / "t10k-images-idx3-ubyte.gz", 255 - shapes(96)[0][..., 0])
    assert main(command(data, tmp_path / "sweep")) == 2
    assert "was begun with held-out data " in capsys.readouterr().err


def test_too_few_images_for_a_score_are_refused_before_a_trial(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_idx_folder(data, 95)
    assert main(command(data, tmp_path / "sweep")) == 3
    assert "95 images; scores need at least 96" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "log:1e-4..1e-2", "1e-4"),
        ("batch_size", "int:0..8", "0"),
        ("batch_size", "int:8..10000000", "10000000"),
        ("loss", "any:absent|relativistic", "absent"),
        ("loss", "any:hinge|absent|relativistic", "absent"),
    ],
)
def test_values_that_no_trial_can_have_are_refused_as_plain_ones_before_the_folder_is_made(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    value: str,
) -> None:
    sweep = command(data, tmp_path / "sweep")
    assert main([*sweep, "--set", f"{name}={value}"]) == 2
    plain = capsys.readouterr().err
    assert main([*sweep, "--set", f"{name}={text}"]) == 2
    assert name in plain
    assert capsys.readouterr().err.replace("0.0001", "1e-4") == plain
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_without_a_range_is_a_usage_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "--data", str(data), "--to", str(tmp_path / "sweep")]
    assert main(arguments) == 2
    assert "--set has no range; at least one is needed, as one of log:" in capsys.readouterr().err
