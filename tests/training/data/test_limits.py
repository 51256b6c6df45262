"""Oversized pictures and labels files are reported and left out, or rejected."""

import os
from pathlib import Path

import pytest

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.files import claims, png, write_tree, write_zip

LARGE = "ignore::PIL.Image.DecompressionBombWarning"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.filterwarnings(LARGE)
@pytest.mark.parametrize("archived", [False, True])
def test_leaves_out_a_picture_with_too_many_pixels(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str], archived: bool
) -> None:
    """With 100 megapixels, Pillow only warns."""
    files = {"a.png": png(1), "b.png": claims(10_000)}
    place = tmp_path / "data.zip" if archived else tmp_path / "data"
    (write_zip if archived else write_tree)(place, files)
    data = load_dataset(place, options=DataOptions(max_broken=0.9), cache=cache)
    assert (len(data), data.broken) == (1, 1)
    assert "b.png: is 10000x10000; at most 89,478,485 pixels" in capsys.readouterr().err


def test_bounds_the_bytes_of_a_picture_file(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("mirage.training.data.sources.image.MAX_FILE_BYTES", 4096)
    folder = write_tree(tmp_path / "data", {"a.png": png(1), "b.png": png() + bytes(5000)})
    data = load_dataset(folder, options=DataOptions(max_broken=0.9), cache=cache)
    assert (len(data), data.broken) == (1, 1)
    assert "b.png: has more than" in capsys.readouterr().err


def test_bounds_the_bytes_of_a_labels_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.training.data.sources.image.MAX_FILE_BYTES", 4096)
    files = {"a.png": png(1), "dataset.json": b'{"labels": null}' + b" " * 5000}
    with pytest.raises(DataError, match=r"dataset\.json cannot be read: has more than"):
        load_dataset(write_tree(tmp_path / "data", files), cache=cache)


def test_leaves_out_a_named_pipe(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a.png": png(1)})
    os.mkfifo(folder / "b.png")
    data = load_dataset(folder, options=DataOptions(max_broken=0.9), cache=cache)
    assert (len(data), data.broken) == (1, 1)
