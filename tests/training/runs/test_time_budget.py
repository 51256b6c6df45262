import json
from pathlib import Path

import pytest
import torch

from mirage.training.__main__ import main
from mirage.training.auto import Facts
from mirage.training.config import TrainConfig, build_config
from mirage.training.runs.time_budget import kimg_in, plan
from tests.training.helpers.datasets import TINY, shapes_dataset, write_idx_folder

CPU = torch.device("cpu")


def auto(kimg: float, **changes: object) -> TrainConfig:
    facts = Facts(50_000, 32, 32, 1, 6, "cpu", kimg)
    return build_config("auto", changes, facts)


def test_counts_whole_batches_and_at_least_one() -> None:
    config = build_config("mnist", {**TINY, "kimg": 1})
    assert kimg_in(1e-12, config, shapes_dataset(), CPU) == 0.008
    many = kimg_in(0.5, config, shapes_dataset(), CPU)
    assert many > 0.008
    assert (1000 * many) % 8 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kimg", [50.0, 2_000.0])
def test_the_schedules_of_auto_end_with_the_run(kimg: float) -> None:
    config = auto(kimg)
    assert (config.kimg, config.lr.to_kimg) == (kimg, kimg)
    assert config.lr.from_kimg == pytest.approx(kimg / 3)
    assert config.gamma.to_kimg == config.beta2.to_kimg == kimg / 10


@pytest.mark.parametrize(("kimg", "speed"), [(50.0, 5), (2_000.0, 200), (9_000.0, 200)])
def test_so_does_the_augmentation_of_few_images_on_a_gpu(kimg: float, speed: float) -> None:
    config = build_config("auto", {}, Facts(950, 32, 32, 1, 6, "cuda", kimg))
    assert config.augment_speed_kimg == speed


@pytest.mark.parametrize("kimg", [56.0, 1_120.0])
def test_so_do_those_for_few_images(kimg: float) -> None:
    config = build_config("auto", {}, Facts(950, 32, 32, 4, 6, "cpu", kimg))
    assert (config.kimg, config.lr.to_kimg) == (kimg, kimg)
    assert config.lr.from_kimg == pytest.approx(kimg / 2)
    assert config.warm_start_kimg == pytest.approx(kimg / 70)


def test_without_a_length_auto_chooses_one() -> None:
    facts = Facts(50_000, 32, 32, 1, 6, "cpu")
    assert build_config("auto", {}, facts) == auto(2_000)


def test_tells_the_phases_and_what_to_expect() -> None:
    text = "\n".join(plan(2.0, auto(120, warm_start_kimg=8)))
    assert "120 kimg in 2 h" in text
    assert "phase          8 min, up to 8 kimg: reconstruct training images" in text
    assert "phase          4 min, up to 12 kimg: burn-in" in text
    assert "phase          28 min, up to 40 kimg: full learning rate" in text
    assert "phase          80 min, up to 120 kimg: falling learning rate" in text
    assert "expect         32x32 images were mostly convincing after 100 kimg" in text


@pytest.mark.parametrize(("kimg", "said"), [(10, "coarse shapes"), (50, "recognisable 32x32")])
def test_short_runs_promise_less(kimg: float, said: str) -> None:
    assert said in list(plan(1.0, auto(kimg)))[-1]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    write_idx_folder(tmp_path / "data")
    paths = ["--data", str(tmp_path / "data"), "--run", str(tmp_path / "run")]
    return ["train", *paths, "--device", "cpu", "--threads", "1", "--set", "widths=16,8"]


def test_the_length_is_measured_once_and_recorded(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for hours in ("1e-12", "9"):
        assert main([*command, "--preset", "auto", "--hours", hours]) == 0
        config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
        assert config["kimg"] == config["lr"]["to_kimg"] == 0.005
    said = capsys.readouterr().out
    assert "0.005 kimg in 1e-12 h" in said
    assert "plan           0.005 kimg, as the run has recorded; --kimg N" in said


def test_a_run_that_was_made_longer_resumes_with_its_schedules(
    command: list[str], tmp_path: Path
) -> None:
    longer = ["--preset", "auto", "--kimg", "0.01"]
    for flags in (["--hours", "1e-12"], longer, ["--hours", "1e-12"]):
        assert main([*command, *flags]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["kimg"] == 0.01
    assert config["schedule_kimg"] == config["lr"]["to_kimg"] == 0.005


def test_a_run_is_not_made_shorter_than_it_is(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--preset", "auto", "--kimg", "0.02"]) == 0
    before = (tmp_path / "run" / "config.json").read_bytes()
    capsys.readouterr()
    assert main([*command, "--preset", "auto", "--kimg", "0.01"]) == 2
    said = capsys.readouterr().err
    assert "kimg is 0.01; " in said
    assert "Ctrl+C" not in said
    assert (tmp_path / "run" / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--preset", "mnist", "--hours", "1"], "--hours requires --preset auto"),
        (["--preset", "auto", "--hours", "1", "--kimg", "5"], "excludes --kimg"),
        (["--preset", "auto", "--hours", "0"], "--hours is 0; it must be above 0"),
        (["--preset", "auto", "--hours", "1e300"], "at most 8,760, a year"),
        (["--preset", "auto", "--hours", "nan"], "--hours is nan"),
    ],
)
def test_other_lengths_are_refused(
    command: list[str], flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *flags]) == 2
    assert said in capsys.readouterr().err
