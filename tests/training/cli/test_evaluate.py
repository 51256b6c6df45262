import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.bundle.format.interface import OutputMeaning
from mirage.training.__main__ import main
from mirage.training.cli.recipe import FIRST_PRESETS
from mirage.training.config import build_config
from mirage.training.evaluation.scorecard import Scorecard
from mirage.training.runs.run_dir import Run
from tests.bundles import Toy, publish_toy
from tests.generators import MADE, publish_generator
from tests.training.helpers.datasets import shapes, write_idx_folder
from tests.training.runs.test_loop import arguments


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_idx_folder(folder, count=96)
    return folder


def test_trains_evaluates_reports_and_exports_a_run(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main([*arguments(data, run), "--threads", "1"]) == 0
    assert main(["evaluate", str(run), "--data", str(data), "--threads", "1"]) == 0
    assert "coverage" in capsys.readouterr().out
    (file,) = (run / "snapshots").glob("*.scores.json")
    card = Scorecard.model_validate_json(file.read_bytes())
    assert card.sizes["reference"] == 80
    for sheet in ("real", "neighbours"):
        with Image.open(str(file).replace(".scores.json", f".{sheet}.png")) as image:
            assert image.width == 80
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert main(["export", str(run), "--to", str(tmp_path / "models" / "toy")]) == 0
    manifest = json.loads((tmp_path / "models" / "toy" / "1" / "manifest.json").read_text())
    assert manifest["scores"]["coverage"]["value"] == card.scores["coverage"].value


def test_scores_mirrored_data_by_their_originals(tmp_path: Path, data: Path) -> None:
    model = publish_toy(tmp_path / "models", Toy(height=8, width=8, labels=("0", "1")))
    scores = tmp_path / "scores.json"
    flags = ["--data", str(data), "--mirror", "--threads", "1", "--to", str(scores)]
    assert main(["evaluate", str(model), *flags]) == 0
    assert Scorecard.model_validate_json(scores.read_bytes()).sizes["reference"] == 80


def test_replaces_an_unknown_scorecard_and_reports_it(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8))
    file = tmp_path / "scores.json"
    file.write_text('{"frechet": 1.5}')
    command = ["evaluate", str(bundle), "--data", str(data), "--to", str(file), "--threads", "1"]
    assert main(command) == 0
    assert "scores.json is not a scorecard of this version" in capsys.readouterr().out
    assert Scorecard.model_validate_json(file.read_bytes()).scores


def test_scores_that_cannot_be_written_are_printed(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8))
    (tmp_path / "scores.real.png").mkdir()
    file = tmp_path / "scores.json"
    command = ["evaluate", str(bundle), "--data", str(data), "--to", str(file), "--threads", "1"]
    assert main(command) == 1
    told = capsys.readouterr()
    assert "coverage" in told.out
    assert "scores.real.png" in told.err


@pytest.mark.parametrize(
    ("to", "said"), [("nowhere/scores.json", "there is no folder"), ("data", "which is a folder")]
)
def test_a_file_that_cannot_be_written_is_told_before_scoring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, said: str
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8))
    (tmp_path / "data").mkdir()
    command = ["evaluate", str(bundle), "--data", "unread", "--to", str(tmp_path / to)]
    assert main(command) == 2
    assert said in capsys.readouterr().err


def test_compares_two_bundles_on_the_same_data(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (
        publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8, seed=seed))
        for seed in (0, 1)
    )
    page = tmp_path / "compare.html"
    command = ["compare", str(first), str(second), "--to", str(page)]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert "As recorded at export" in page.read_text()
    assert main([*command, "--data", str(data), "--threads", "1", "--seeds", "2"]) == 0
    assert "Comparable: same data" in page.read_text()


@pytest.mark.parametrize(
    ("preset", "task", "flags"),
    [
        ("mnist", "generate", ["--only", "a"]),
        ("mnist", "generate", ["--degrade", "none"]),
        ("mnist", "generate", ["--shrink", "2"]),
        ("photo-x4", "upscale", ["--fast"]),
        ("photo-x4", "upscale", ["--self-supervised"]),
    ],
)
def test_flags_of_another_task_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str, task: str, flags: list[str]
) -> None:
    run = Run(tmp_path / "run")
    run.write_config(build_config(preset, {}), {"fingerprint": "f"})
    assert main(["evaluate", str(run.path), "--data", "unread", *flags]) == 2
    said = capsys.readouterr().err
    assert flags[0] in said
    assert f"{run.path} is of task {task}" in said


@pytest.mark.parametrize("task", ["upscale", "translate"])
def test_only_generators_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    run = Run(tmp_path / "run")
    run.write_config(build_config(FIRST_PRESETS[task], {}), {"fingerprint": "f"})
    assert main(["compare", str(run.path), str(run.path)]) == 3
    assert f"{run.path} is of task {task}; compare is for" in capsys.readouterr().err
    assert main(["blind-sheet", str(run.path), "--data", "d", "--to", str(tmp_path / "to")]) == 3
    assert f"{run.path} is of task {task}; blind-sheet is for" in capsys.readouterr().err


def test_writes_the_scores_of_a_bundle_to_the_given_file(tmp_path: Path, data: Path) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8))
    before = sorted(bundle.iterdir())
    file = tmp_path / "scores.json"
    command = ["evaluate", str(bundle), "--data", str(data), "--to", str(file), "--threads", "1"]
    assert main(command) == 0
    first = Scorecard.model_validate_json(file.read_bytes())
    assert main(command) == 0
    again = Scorecard.model_validate_json(file.read_bytes())
    assert again.scores == first.scores
    assert np.isfinite([score.value for score in first.scores.values()]).all()
    assert sorted(bundle.iterdir()) == before


def test_rejects_a_model_with_other_classes_than_the_data(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(width=8))
    assert main(["evaluate", str(bundle), "--data", str(data)]) == 3
    assert "toy@1 has 10 classes and --data 2" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "blind-sheet"])
def test_rejects_data_of_another_shape_before_anything_is_computed(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("0", "1"), height=8, width=8))
    flags = ["--data", str(data), "--size", "16", "--upscale", "--to", str(tmp_path / "to")]
    assert main([command, str(bundle), *flags]) == 3
    said = "--data has images of shape (16, 16, 1), and toy@1 makes (8, 8, 1) (height, width"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_rejects_a_model_with_the_classes_of_the_data_in_another_order(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "0"), width=8))
    assert main(["evaluate", str(bundle), "--data", str(data)]) == 3
    assert "class 0 is 1 there and 0 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--seeds", "0"], 2, "--seeds is 0; at least 1 is needed"),
        (["--cas"], 3, "--cas needs a model with classes and data with a test split"),
        (["--stacked"], 3, "--stacked needs a model of RGB images without classes"),
        (["--inception", "none.pt"], 3, "no TorchScript can be read there"),
    ],
)
def test_invalid_arguments_print_one_line(
    tmp_path: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    code: int,
    said: str,
) -> None:
    bundle = publish_toy(tmp_path / "models", Toy(labels=("1", "2"), width=8))
    assert main(["evaluate", str(bundle), "--data", str(data), *flags]) == code
    assert said in capsys.readouterr().err


def test_a_blind_sheet_keeps_its_key_in_another_file(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = publish_toy(tmp_path / "models", Toy(height=8, width=8, labels=("0", "1")))
    folder = tmp_path / "blind"
    flags = ["--data", str(data), "--to", str(folder)]
    assert main(["blind-sheet", str(model), *flags]) == 0
    assert "show only" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [
        *("key.json", "neighbours.png", "sheet.png")
    ]
    assert len(json.loads((folder / "key.json").read_text())["real"]) == 20
    assert main(["blind-sheet", str(model), *flags, "--seed", "-1"]) == 2
    assert "--seed is -1" in capsys.readouterr().err


def test_a_run_is_scored_by_groups_of_kin_that_were_held_out(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    images, _ = shapes(120)
    for number, image in enumerate(images):
        target = folder / str(number % 12)
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(target / f"{number:03}.png")
    kin = ["--labels", "none", "--groups", "folder", "--held-out", "10"]
    run = tmp_path / "run"
    assert main([*arguments(folder, run), *kin, "--threads", "1"]) == 0
    assert main(["evaluate", str(run), "--data", str(folder), "--threads", "1"]) == 0
    (file,) = (run / "snapshots").glob("*.scores.json")
    scores = Scorecard.model_validate_json(file.read_bytes()).scores
    for name in ("memorised_groups", "memorised_unseen"):
        assert scores[name].floor is not None


@pytest.mark.parametrize("made", ["audio", "tokens"])
@pytest.mark.parametrize(
    ("command", "use"),
    [
        (["evaluate", "MODEL", "--cas"], "--cas"),
        (["evaluate", "MODEL", "--self-supervised"], "--self-supervised"),
        (["evaluate", "MODEL", "--inception", "none.pt"], "--inception"),
        (["evaluate", "MODEL", "--stacked"], "--stacked"),
        (["blind-sheet", "MODEL", "--to", "blind"], "blind-sheet"),
        (["compare", "MODEL", "MODEL"], "compare"),
    ],
)
def test_what_only_images_have_is_refused_for_other_media(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    made: OutputMeaning,
    command: list[str],
    use: str,
) -> None:
    model = publish_generator(tmp_path / "models", MADE[made], "toy")
    given = [str(model) if word == "MODEL" else word for word in command]
    assert main([*given, "--data", str(tmp_path / "unread")]) == 3
    noun = {"audio": "sounds", "tokens": "sequences"}[made]
    assert f"toy@1 makes {noun}; {use} can only be used for images" in capsys.readouterr().err
