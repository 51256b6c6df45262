"""`draw` writes what `generate` writes, without a server; either can be a single image."""

from pathlib import Path

import pytest

from mirage.client import Client
from mirage.client.__main__ import main
from tests.client.ended import KILLED_BEFORE_A_RENAME, ended

Captured = pytest.CaptureFixture[str]
FORMS = [
    ("out", ()),
    ("out.tar", ()),
    ("out.tar", ("--shard-size", "7")),
    ("out", ("--by-class", "--labels", "3,4", "--truncation", "0.5")),
]


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def draw(models: Path, output: Path, *arguments: str, model: str = "toy") -> int:
    return main(["draw", model, "--models", str(models), "-o", str(output), *arguments])


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_writes_the_files_that_generate_writes(
    url: str, models_root: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    arguments = ["--count", "30", "--seed", "7", *options]
    served, drawn = tmp_path / "served" / name, tmp_path / "drawn" / name
    assert main(["generate", "--url", url, "--model", "toy", "-o", str(served), *arguments]) == 0
    assert draw(models_root, drawn, *arguments) == 0
    assert files(drawn.parent) == files(served.parent)


def test_continues_what_was_interrupted(models_root: Path, tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    assert draw(models_root, once, "--count", "30", "--seed", "7") == 0
    arguments = ["draw", "toy", "--models", str(models_root), "-o", str(again)]
    arguments += ["--count", "30", "--seed", "7"]
    assert ended(KILLED_BEFORE_A_RENAME, 11, arguments) < 0
    assert len(list(again.glob("0*.png"))) == 11
    assert main(arguments) == 0
    assert files(again) == files(once)


def test_a_folder_of_a_bundle_names_a_model(
    models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    output = tmp_path / "out"
    bundle = str(models_root / "toy" / "2")
    assert main(["draw", bundle, "--count", "2", "--seed", "7", "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 2 images of toy@2, seed 7\n"


def test_says_why_a_model_cannot_draw(models_root: Path, tmp_path: Path, capsys: Captured) -> None:
    assert draw(models_root, tmp_path / "out", "--count", "1", model="larger") == 3
    assert "whose task is upscale, not generate" in capsys.readouterr().err


def test_one_image_is_one_file(
    url: str, client: Client, models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    (image,) = client.generate(1, seed=7, labels=3)
    one, other = tmp_path / "new" / "one.png", tmp_path / "other.png"
    flags = ["--count", "1", "--seed", "7", "--label", "3"]
    assert main(["generate", "--url", url, *flags, "-o", str(one)]) == 0
    assert capsys.readouterr().out == f"{one}: 1 image of toy@1, seed 7\n"
    assert draw(models_root, other, *flags) == 0
    assert one.read_bytes() == other.read_bytes() == image.png
    assert [path.name for path in one.parent.iterdir()] == ["one.png"]


def test_an_existing_image_is_not_replaced(
    models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"mine")
    assert draw(models_root, path, "--count", "1") == 3
    assert f"{path} exists and is not replaced" in capsys.readouterr().err
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["x.jpg", "x.WEBP", "x.PNG", "x.mp3"])
def test_files_of_other_kinds_are_refused(name: str, tmp_path: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="2"):
        draw(tmp_path, tmp_path / name, "--count", "1")
    assert f"{name}; single files end in .png, .wav, .txt" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_model_that_makes_no_images_leaves_nothing_behind(
    url: str, tmp_path: Path, capsys: Captured
) -> None:
    command = ["generate", "--url", url, "--count", "1", "-o", str(tmp_path / "out")]
    assert main([*command, "--model", "larger"]) == 3
    assert not (tmp_path / "out").exists()
    assert main([*command, "--model", "toy", "--seed", "1"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 1 image of toy@1, seed 1\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "2"], "--output is the image x.png; --count is 2, and 1 is allowed"),
        (["--count", "1", "--by-class"], "--by-class needs a folder; --output is the image"),
        (["--count", "1", "--shard-size", "2"], "--shard-size needs an archive; --output is the"),
    ],
)
def test_an_image_holds_no_more_than_one(
    arguments: list[str], message: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["generate", "-o", "x.png", *arguments])
    assert message in capsys.readouterr().err
