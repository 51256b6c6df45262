import contextlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.zip_archive import open_archive
from mirage.training.errors import DataError
from tests.training.helpers.files import claims, encode, png, write_tree, write_zip

CATS_AND_DOGS = {
    "dog/1.png": png(10),
    "cat/2.png": png(20),
    "cat/1.png": png(30),
    "cat/notes.txt": b"not a picture",
    "__MACOSX/cat/._1.png": b"",
    ".hidden/3.png": b"",
}


def test_reads_the_same_data_as_from_a_folder(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", CATS_AND_DOGS)
    archive = write_zip(tmp_path / "data.zip", CATS_AND_DOGS)
    first, second = (load_dataset(path, cache=tmp_path) for path in (folder, archive))
    assert first.fingerprint == second.fingerprint
    assert second.classes == ("cat", "dog")
    assert second.images[:, 0, 0, 0].tolist() == [30, 20, 10]


def test_a_flat_archive_has_no_classes(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"b.png": png(2), "a.png": png(1)})
    data = load_dataset(archive, cache=tmp_path)
    assert data.labels is None
    assert data.images[:, 0, 0, 0].tolist() == [1, 2]


def test_top_folders_may_be_splits(tmp_path: Path) -> None:
    files = {"train/x/1.png": png(1), "train/y/2.png": png(2), "test/x/3.png": png(3)}
    archive = write_zip(tmp_path / "data.zip", files)
    train, test = (load_dataset(archive, split, cache=tmp_path) for split in ("train", "test"))
    assert (train.classes, len(train)) == (("x", "y"), 2)
    assert test.images[:, 0, 0, 0].tolist() == [3]


def test_without_a_test_split_both_splits_are_the_same(tmp_path: Path) -> None:
    files = {"train/1.png": png(1), "val/2.png": png(2)}
    archive = write_zip(tmp_path / "data.zip", files)
    train, test = (load_dataset(archive, split, cache=tmp_path) for split in ("train", "test"))
    assert train.fingerprint == test.fingerprint
    assert len(train) == 1


def test_reads_windows_separators(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"cat\\1.png": png(1), "dog\\2.png": png(2)})
    assert load_dataset(archive, cache=tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "cat/../../a.png", "C:/a.png", "..\\a"])
def test_rejects_names_outside_of_the_archive(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "data.zip", {"a.png": png(), name: png()})
    with pytest.raises(DataError, match="which is outside of it"):
        open_archive(archive, "train")


def test_rejects_encrypted_archives(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"a.png": png()})
    content = bytearray(archive.read_bytes())
    flags = content.rindex(b"PK\1\2") + 8  # of the entry in the central directory
    content[flags : flags + 2] = struct.pack("<H", 1)
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"is encrypted \(a.png\)"):
        open_archive(archive, "train")


def test_rejects_truncated_archives(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", CATS_AND_DOGS)
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DataError, match="is not a complete ZIP file"):
        load_dataset(archive, cache=tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_rejects_duplicate_names(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"a.png": png()})
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("a.png", png(1))
    with pytest.raises(DataError, match="two files of one name"):
        open_archive(archive, "train")


def test_rejects_a_class_without_images(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"cat/1.png": png(), "dog/": b""})
    with pytest.raises(DataError, match="the class folder dog without any image"):
        load_dataset(archive, cache=tmp_path)


def test_rejects_an_archive_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it contains no images"):
        open_archive(write_zip(tmp_path / "data.zip", {"a.txt": b""}), "train")


def test_a_zip_bomb_counts_as_a_broken_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mirage.training.data.sources.image.MAX_FILE_BYTES", 4096)
    bomb = png() + bytes(100_000)
    files = {"a.png": png(1), "b.png": bomb, "c.png": claims(60_000)}
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    data = load_dataset(archive, options=DataOptions(max_broken=0.9), cache=tmp_path)
    assert (len(data), data.broken) == (1, 2)
    said = capsys.readouterr().err
    assert "b.png: has more than" in said
    assert "c.png: Image size (3600000000 pixels) exceeds limit" in said


@given(cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_any_damage_gives_images_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.zip"
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    write_zip(path, {"a/1.png": encode(Image.fromarray(noise)), "b/2.png": png(3)})
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content[: len(content) - cut % 3 * cut])
    with contextlib.suppress(DataError):
        cache = tmp_path_factory.getbasetemp() / "fuzz-cache"
        data = load_dataset(path, options=DataOptions(max_broken=0.9), cache=cache, workers=1)
        assert data.images.dtype == np.uint8
