import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.__main__ import main
from mirage.training.data.sources.pictures import PictureOptions, load_pictures
from mirage.training.runs.run_dir import Run
from tests.training.drawings import TINY_UPSCALE, drawing, write_drawings
from tests.upscalers import ToyUpscaler, make_upscaler


def flags() -> list[str]:
    texts = {
        key: ",".join(map(str, value)) if isinstance(value, list) else value
        for key, value in TINY_UPSCALE.items()
    }
    return [part for key, value in texts.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_drawings(tmp_path / "drawings", side=96)


def train(folder: Path, run: Path, *more: str) -> int:
    common = ["--data", str(folder), "--run", str(run), "--threads", "1", "--kimg", "0.016"]
    return main(["train", "--task", "upscale", *common, *flags(), *more])


def test_the_task_implies_a_preset(folder: Path, tmp_path: Path) -> None:
    assert train(folder, tmp_path / "run") == 0
    config, sheet = Run(tmp_path / "run").read_config()
    assert (config.task, config.preset, config.scale) == ("upscale", "photo-x4", 2)
    assert sheet["images"] + sheet["held_out"] == 6


def test_flags_set_the_scale_and_how_pictures_are_read(folder: Path, tmp_path: Path) -> None:
    assert (
        train(folder, tmp_path / "run", "--scale", "3", "--shrink", "1,2", "--held-out", "40") == 0
    )
    config, sheet = Run(tmp_path / "run").read_config()
    assert config.scale == 3
    assert sheet["options"] == {
        "shrink": [1, 2],
        "held_out": 40,
        "channels": 3,
        "split": "auto",
        "max_broken": None,
    }


def test_evaluate_scores_the_held_out_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, tmp_path / "run")
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(folder), "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "3 held-out pictures, photo-x4, 0.016 kimg" in told
    assert all(name in told for name in ("psnr_y", "bicubic", "lanczos", "sharpened", "worst of 3"))
    (file,) = (tmp_path / "run" / "snapshots").glob("*.drawings.restoration.json")
    card = json.loads(file.read_text())
    assert card["pictures"] == 3
    assert np.asarray(Image.open(file.with_suffix(".png"))).shape == (3 * 256, 4 * 256, 3)


def test_evaluate_scores_grey_pictures(folder: Path, tmp_path: Path) -> None:
    train(folder, tmp_path / "run", "--channels", "1")
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(folder), "--threads", "1"]) == 0
    (file,) = (tmp_path / "run" / "snapshots").glob("*.drawings.restoration.png")
    assert np.asarray(Image.open(file)).shape == (3 * 256, 4 * 256)


def test_evaluate_degrades_as_in_training_unless_told_otherwise(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, models = tmp_path / "run", tmp_path / "models"
    train(folder, run, "--set", "degrade=noise,jpeg")
    assert main(["export", str(run), "--to", str(models / "toy")]) == 0
    evaluate = ["--data", str(folder), "--threads", "1"]
    told = []
    for candidate, *more in ([run], [models / "toy" / "1"], [run, "--degrade", "none"]):
        capsys.readouterr()
        assert main(["evaluate", str(candidate), *evaluate, *more]) == 0
        told.append(capsys.readouterr().out)
    of_run, of_bundle, plain = told
    assert "3 held-out pictures, degraded by noise, jpeg, photo-x4" in of_run
    assert "degraded by noise, jpeg, toy@1" in of_bundle
    assert "3 held-out pictures, photo-x4" in plain
    assert _numbers(of_run)["psnr_y"] < _numbers(plain)["psnr_y"]
    cards = sorted(
        file.name.split(".")[1] for file in (run / "snapshots").glob("*.restoration.json")
    )
    assert cards == ["drawings", "drawings-noise-jpeg"]
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), *evaluate, "--degrade", "rain"])
    assert "rain is unknown; allowed are none, blur" in capsys.readouterr().err


def test_evaluate_scores_all_pictures_of_other_data(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, tmp_path / "run")
    other = tmp_path / "other"
    other.mkdir()
    for number in range(5):
        Image.fromarray(drawing(50 + number, 65)).save(other / f"{number}.png")
    capsys.readouterr()
    arguments = ["evaluate", str(tmp_path / "run"), "--data", str(other), "--threads", "1"]
    assert main([*arguments, "--to", str(tmp_path / "scores.json")]) == 0
    assert "5 other pictures" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores.json").read_text())["pictures"] == 5


def test_evaluate_scores_a_subset_of_the_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training pictures are never scored; the training folder has none that are held out."""
    train(folder, tmp_path / "run")
    evaluate = ["evaluate", str(tmp_path / "run"), "--data", str(folder), "--threads", "1"]
    (out,) = {"flat", "round"} - {_trained_on(tmp_path / "run")}
    assert main([*evaluate, "--only", f"{out}/"]) == 0
    assert "3 held-out pictures" in capsys.readouterr().out
    assert list((tmp_path / "run" / "snapshots").glob(f"*.drawings-{out}.restoration.png"))
    assert main([*evaluate, "--only", "square/"]) == 3
    assert "--only is square/" in capsys.readouterr().err


def _trained_on(run: Path) -> str:
    """The folder that was not held out."""
    options = PictureOptions.model_validate(Run(run).read_config()[1]["options"])
    data = load_pictures(str(run.parent / "drawings"), options, (12, 24))
    return data.pictures[0].name.split("/")[0]


def test_the_report_shows_pictures(folder: Path, tmp_path: Path) -> None:
    train(folder, tmp_path / "run")
    main(["evaluate", str(tmp_path / "run"), "--data", str(folder), "--threads", "1"])
    assert main(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    for text in ("pictures held out", "the smallest gain over bicubic", "psnr y", "Gain"):
        assert text in page


def test_the_share_of_broken_pictures_is_a_flag(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flat" / "1.png").write_bytes(b"no picture")
    assert train(folder, tmp_path / "run", "--dry-run") == 3
    assert "(--max-broken)" in capsys.readouterr().err
    assert train(folder, tmp_path / "run", "--dry-run", "--max-broken", "0.2") == 0
    assert "left out: flat/1.png is not in" in "".join(capsys.readouterr())


def test_a_dry_run_trains_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, tmp_path / "run", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "M parameters" in told
    assert "held out" in told
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert (tmp_path / "run" / "data.png").exists()


def test_a_bundle_is_scored_as_its_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, models = tmp_path / "run", tmp_path / "models"
    train(folder, run)
    assert main(["export", str(run), "--to", str(models / "toy")]) == 0
    capsys.readouterr()
    for scored in (run, models / "toy" / "1"):
        arguments = ["evaluate", str(scored), "--data", str(folder), "--threads", "1"]
        assert main(arguments) == 0
    of_run, of_bundle = capsys.readouterr().out.split("toy@1")
    assert "3 held-out pictures, photo-x4" in of_run
    assert of_bundle.splitlines()[1].startswith("score")
    assert _numbers(of_run)["psnr_y"] == pytest.approx(_numbers(of_bundle)["psnr_y"], abs=0.01)


def test_of_other_pictures_those_held_out_are_scored_when_that_is_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, tmp_path / "run")
    other = write_drawings(tmp_path / "other", count=8, side=72)
    capsys.readouterr()
    evaluate = ["evaluate", str(tmp_path / "run"), "--data", str(other), "--threads", "1"]
    assert main(evaluate) == 0
    assert "8 other pictures" in capsys.readouterr().out
    assert main([*evaluate, "--held-out", "30"]) == 0
    assert "4 held-out pictures" in capsys.readouterr().out


def test_other_pictures_are_reduced_as_in_training_unless_told_otherwise(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, tmp_path / "run", "--shrink", "2")
    other = write_drawings(tmp_path / "other", count=2, side=128)
    evaluate = ["evaluate", str(tmp_path / "run"), "--data", str(other), "--threads", "1"]
    capsys.readouterr()
    assert main(evaluate) == 0
    assert "2 other pictures, reduced by 2, photo-x4" in capsys.readouterr().out
    assert main([*evaluate, "--shrink", "1"]) == 0
    assert "2 other pictures, photo-x4" in capsys.readouterr().out


def test_a_bundle_of_grey_pictures_is_scored_on_grey_ones(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    enlarging = make_upscaler(models, "larger", ToyUpscaler(channels=1))
    assert main(["evaluate", str(enlarging), "--data", str(folder), "--threads", "1"]) == 0
    assert "6 other pictures" in capsys.readouterr().out
    painting = make_upscaler(models, "other", ToyUpscaler(channels=1, scale=1, task="translate"))
    styles = ["--source", str(folder), "--target", str(folder), "--threads", "1"]
    assert main(["evaluate", str(painting), *styles]) == 0


def _numbers(text: str) -> dict[str, float]:
    """The model's column of a table of scores."""
    rows = (line.split() for line in text.splitlines() if " is better" in line)
    return {name: float(value) for name, value, *_ in rows}
