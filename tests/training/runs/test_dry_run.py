from pathlib import Path

import pytest
from PIL import Image

from mirage.training.__main__ import main
from tests.training.helpers.datasets import tiny_flags, write_idx_folder
from tests.training.helpers.files import png, write_tree


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def shown(
    folder: Path, capsys: pytest.CaptureFixture[str], *flags: str
) -> tuple[int, str, str, Path]:
    data, run = folder / "data", folder / "run"
    data.mkdir()
    write_idx_folder(data)
    command = ["train", "--data", str(data), "--run", str(run), "--device", "cpu", "--dry-run"]
    code = main([*command, *flags])
    said = capsys.readouterr()
    return code, said.out, said.err, run


def test_shows_settings_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _, run = shown(tmp_path, capsys, *tiny_flags(), "--kimg", "10")
    assert code == 0
    for told in ('"preset": "mnist"', "generator", "discriminator", "memory", "disk", "time"):
        assert told in out
    assert "h for 10 kimg" in out
    assert [path.name for path in run.iterdir()] == ["data.png"]
    with Image.open(run / "data.png") as sheet:
        assert min(sheet.size) >= 8


def test_names_classes_with_few_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _, _ = shown(tmp_path, capsys, *tiny_flags())
    assert "warning        class 0 has 10 images only" in out


def test_shows_the_reasons_of_auto(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--preset", "auto", "--set", "batch_size=4", "--set", "widths=16,8")
    code, out, error, _ = shown(tmp_path, capsys, *flags)
    assert code == 0, error
    assert '"preset": "auto"' in out
    assert '"end": 3e-05' in out  # a tenth of 3e-4 is not exactly that
    assert "8x8" in out


def test_raises_the_errors_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error, run = shown(tmp_path, capsys, "--set", "batch_size=1000")
    assert code == 3
    assert "1000" in error
    assert not run.exists()


def test_says_what_was_found_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"my/Train/{kind}/{n:02}.png": png(n) for kind in "ab" for n in range(20)}
    files |= {f"my/Test/{kind}/{n}.png": png(n) for kind in "ab" for n in range(2)}
    files |= {"my/Train/a/x.png": b"", "my/labels.csv": b"", "my/Train/b/y.heic": b""}
    files["my/Train/b/z.png"] = png("red", mode="RGB")
    data = write_tree(tmp_path / "data", files)
    flags = ["--preset", "auto", "--kimg", "1", "--device", "cpu", "--dry-run"]
    command = ["train", "--data", str(data), "--run", str(tmp_path / "run"), *flags]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:7] == [
        "images         41 of 8x8 RGB",
        "left out       1 for the reasons below",
        "classes        2: a 20, b 21",
        "note           training images are in Train (42), test images are in Test (4)",
        "note           passed over 1 .heic, my/labels.csv, which are not read as images; "
        "--labels FILE reads classes from one",
        "note           40 of 41 images are grey and made RGB",
        "note           left out: a/x.png is not in a supported image format",
    ]
    assert any(line.startswith("auto           recipe of `avatars`: 41 images") for line in lines)
    assert any(line.startswith("time           0.") for line in lines)
