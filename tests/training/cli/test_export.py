"""`python -m training export` for each kind of model."""

from pathlib import Path

import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.release import release
from mirage.training.__main__ import main
from mirage.training.config import build_config
from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes, shapes_dataset
from tests.training.helpers.upscalers import picture_set, publish_run, trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscale")
    return trained_run(folder / "run", picture_set(folder / "drawings")).path


def test_a_run_of_pictures_is_published_with_its_credits_and_limits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credits_file = tmp_path / "CREDITS.md"
    credits_file.write_text("Drawn by Ann Ode.\n")
    card = ["--license", "cc0-1.0", "--credits", str(credits_file), "--limits", "Eyes blur."]
    assert main(["export", str(run), "--to", str(tmp_path / "models" / "toy"), *card]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert load_bundle(path).manifest.task == "upscale"
    text = (path / "README.md").read_text()
    assert "license: cc0-1.0" in text
    assert text.endswith(" Eyes blur.\n\n## Credits\n\nDrawn by Ann Ode.\n")


def test_credits_that_cannot_be_read_are_a_usage_error(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = str(tmp_path / "models" / "toy")
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--to", to, "--credits", str(tmp_path / "none.md")])
    assert left.value.code == 2
    assert "none.md cannot be read" in capsys.readouterr().err


def test_a_bundle_of_pictures_is_published_again_and_keeps_its_card(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publish_run(Run(run), tmp_path / "models" / "toy")
    again = ["export", str(first), "--to", str(tmp_path / "models" / "other")]
    assert main(again) == 0
    assert load_bundle(tmp_path / "models" / "other" / "1").model == load_bundle(first).model
    assert main([*again, "--license", "mit"]) == 2
    assert "its model card cannot be changed" in capsys.readouterr().err


def test_weights_are_left_out_when_that_is_asked_for(run: Path, tmp_path: Path) -> None:
    whole, small = tmp_path / "models" / "whole", tmp_path / "models" / "small"
    assert main(["export", str(run), "--to", str(whole)]) == 0
    assert main(["export", str(run), "--to", str(small), "--drop-weights"]) == 0
    again = ["export", str(whole / "1"), "--to", str(small), "--drop-weights", "--half-precision"]
    assert main(again) == 0
    for path, has_weights in ((whole / "1", True), (small / "1", False), (small / "2", False)):
        assert ("weights.safetensors" in load_bundle(path).manifest.files) == has_weights


@pytest.mark.parametrize("change", [{"channels": 3}, {"classes": ("cat", "dog")}, {}], ids=str)
def test_a_model_of_another_kind_needs_a_name_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict
) -> None:
    """The first model makes grey images of the classes left and right."""
    for name, changed in (("first", {}), ("second", change)):
        images, labels = shapes(channels=changed.get("channels", 1))
        classes = changed.get("classes", ("left", "right"))
        data = Dataset(images, labels, classes, fingerprint(images, labels, classes))
        train(build_config("mnist", {**TINY, "kimg": 0.016}), data, tmp_path / name, threads=1)
    to = tmp_path / "models" / "toy"
    assert main(["export", str(tmp_path / "first"), "--to", str(to)]) == 0
    release(to.parent, "toy", 1)
    second = ["export", str(tmp_path / "second"), "--to", str(to)]
    assert main(second) == (3 if change else 0)
    if change:
        said = capsys.readouterr().err
        assert "the released toy@1 makes images of 8x8 grey and classes left, right" in said
        assert "pass --allow-other-kind" in said
        assert main([*second, "--allow-other-kind"]) == 0


def test_an_upscaler_cannot_follow_a_generator(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "models" / "toy"
    train(build_config("mnist", {**TINY, "kimg": 0.016}), shapes_dataset(), tmp_path / "run", 1)
    assert main(["export", str(tmp_path / "run"), "--to", str(to)]) == 0
    release(to.parent, "toy", 1)
    assert main(["export", str(run), "--to", str(to)]) == 3
    assert "is of task generate" in capsys.readouterr().err
