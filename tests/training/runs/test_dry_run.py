from pathlib import Path

import pytest
from PIL import Image

from mirage.training.__main__ import main
from tests.training.helpers.datasets import tiny_flags, write_idx_folder


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
    assert "8x8" in out


def test_raises_the_errors_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error, run = shown(tmp_path, capsys, "--set", "batch_size=1000")
    assert code == 3
    assert "1000" in error
    assert not run.exists()
