"""`python -m training export` for each kind of model."""

from pathlib import Path

import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.training.__main__ import main
from mirage.training.runs.run_dir import Run
from tests.training.helpers.upscalers import picture_set, publish_run, trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscale")
    return trained_run(folder / "run", picture_set(folder / "drawings")).path


def test_a_run_of_pictures_is_published_with_its_credits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credits_file = tmp_path / "CREDITS.md"
    credits_file.write_text("Drawn by Ann Ode.\n")
    card = ["--license", "cc0-1.0", "--credits", str(credits_file)]
    assert main(["export", str(run), "--to", str(tmp_path / "models" / "toy"), *card]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert load_bundle(path).manifest.task == "upscale"
    text = (path / "README.md").read_text()
    assert "license: cc0-1.0" in text
    assert text.endswith("## Credits\n\nDrawn by Ann Ode.\n")


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
