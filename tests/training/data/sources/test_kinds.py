"""What --data may name, beside folders and archives of images."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.datasets import write_idx, write_idx_folder
from tests.training.helpers.files import png, write_tar, write_tree, write_zip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cat.png", png(), "cat.png, which is one picture; it takes a folder, .zip or .tar of"),
        ("a.tfrecord", b"abc", "a.tfrecord, which is of no kind that is read; it takes a folder"),
        ("a.tar.gz", gzip.compress(b""), "a.tar.gz, which is of no kind that is read"),
        ("a.tgz", gzip.compress(b"x"), "a.tgz, which .*; unpack it, and pass the folder"),
        ("a.rar", b"Rar!", "a.rar, which .*; unpack it, and pass the folder"),
        ("empty", b"", "empty, which is of no kind that is read"),
    ],
)
def test_other_files_are_rejected_with_the_kinds_that_are_read(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path / name, cache=tmp_path)


def test_finds_idx_files_in_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    write_idx_folder(tmp_path / "MNIST" / "raw")
    assert load_dataset(tmp_path, cache=tmp_path / "cache").classes == ("0", "1")


def test_idx_files_count_more_than_a_picture_beside_them(tmp_path: Path) -> None:
    write_idx_folder(tmp_path)
    (tmp_path / "preview.png").write_bytes(png())
    assert len(load_dataset(tmp_path, cache=tmp_path / "cache")) == 20


def test_reads_an_idx_file_of_any_name(tmp_path: Path) -> None:
    write_idx(tmp_path / "digits", np.zeros((3, 8, 8)))
    options = DataOptions(labels="none")
    assert len(load_dataset(tmp_path / "digits", options=options, cache=tmp_path)) == 3


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("my_Training", "my_Test")])
def test_files_may_be_splits(tmp_path: Path, train: str, test: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_zip(folder / f"{train}.zip", {"a/1.png": png(1), "b/1.png": png(2)})
    write_zip(folder / f"{test}.zip", {"a/1.png": png(3), "b/1.png": png(4)})
    data = load_dataset(folder, "test", cache=tmp_path)
    assert data.images[:, 0, 0, 0].tolist() == [3, 4]


def test_split_is_for_folders_only(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name it as hf:x@SPLIT"):
        load_dataset("hf:x", options=DataOptions(split="a"), cache=tmp_path)


def test_class_names_are_checked_before_decoding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("a\tb", "x" * 201, "caf\udce9")):
        rows = f"1.png,a\n2.png,{name}\n".encode("utf-8", "surrogateescape")
        folder = write_tree(tmp_path / f"{number}", {"1.png": png(), "2.png": png()})
        if len(name) < 200:
            write_tree(folder, {f"{name}/3.png": png(), "b/3.png": png()})
            for file in ("1.png", "2.png"):
                (folder / file).unlink()
            options = DataOptions()
        else:
            (tmp_path / "labels.csv").write_bytes(rows)
            options = DataOptions(labels=str(tmp_path / "labels.csv"))
        with pytest.raises(DataError, match=r"has the class '.*without tabs .*; rename it"):
            load_dataset(folder, options=options, cache=tmp_path)
    assert "decoding" not in capsys.readouterr().err


def test_names_that_are_not_utf8_can_be_left_out(tmp_path: Path) -> None:
    files = {f"{n}.png": png(n) for n in range(9)} | {"caf\udce9.png": b""}
    folder = write_tree(tmp_path / "data", files)
    assert load_dataset(folder, cache=tmp_path).broken == 1
    assert load_dataset(folder, cache=tmp_path).broken == 1


@pytest.mark.parametrize("data", ["", "https://example.com/a.zip", "images/*.png"])
def test_names_a_place_that_does_not_exist_as_it_was_given(tmp_path: Path, data: str) -> None:
    with pytest.raises(
        DataError, match=rf"--data is {re.escape(repr(data))}; .* it takes a folder"
    ):
        load_dataset(data, cache=tmp_path)


def test_a_path_may_begin_with_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_tree(tmp_path / "images", {"1.png": png(1)})
    assert len(load_dataset("~/images", cache=tmp_path / "cache")) == 1


@pytest.mark.parametrize("names", [("train-000", "train-001"), ("shard-0", "shard-1")])
def test_shards_are_one_data_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number, name in enumerate(names):
        files = {f"{number}{n}.png": png(10 * number + n) for n in range(2)}
        write_tar(
            folder / f"{name}.tar", files | {f"{number}{n}.cls": b"ab"[n : n + 1] for n in (0, 1)}
        )
    write_tar(folder / "val-000.tar", {"9.png": png(99)})
    if not names[0].startswith("train"):
        (folder / "val-000.tar").unlink()
    data = load_dataset(folder, cache=tmp_path)
    assert data.images[:, 0, 0, 0].tolist() == [0, 1, 10, 11]
    assert data.classes == ("a", "b")
    write_tar(folder / f"{names[1]}.tar", {"00.png": png()})
    with pytest.raises(DataError, match=r"both contain 00.png"):
        load_dataset(folder, cache=tmp_path)


def test_the_only_archive_of_a_folder_is_read(tmp_path: Path) -> None:
    write_zip(tmp_path / "flags.zip", {f"{n}.png": png(n) for n in range(3)})
    (tmp_path / "LICENSE").touch()
    assert len(load_dataset(tmp_path, cache=tmp_path / "cache")) == 3


@pytest.mark.parametrize("name", ["backup.zip", "backup.tar"])
def test_pictures_count_more_than_an_archive_beside_them(tmp_path: Path, name: str) -> None:
    folder = write_tree(tmp_path / "data", {f"{n}.png": png(n) for n in range(3)})
    (write_zip if name.endswith("zip") else write_tar)(folder / name, {"other.png": png()})
    data = load_dataset(folder, cache=tmp_path / "cache")
    assert len(data) == 3
    assert data.notes == (f"passed over {name}, which are not read as images",)


def test_several_archives_of_one_split_are_ambiguous(tmp_path: Path) -> None:
    for name in ("train_a", "train_b"):
        write_zip(tmp_path / f"{name}.zip", {"1.png": png()})
    with pytest.raises(DataError, match=r"2 files for one split, train_a.zip and train_b.zip"):
        load_dataset(tmp_path, cache=tmp_path / "cache")


def test_dataset_json_of_another_program_does_not_matter(tmp_path: Path) -> None:
    files = {"a/1.png": png(1), "b/2.png": png(2), "a/3.png": png(3), "b/4.png": png(4)}
    folder = write_tree(tmp_path / "data", files | {"dataset.json": b'{"title": "pets"}'})
    data = load_dataset(folder, cache=tmp_path)
    assert data.classes == ("a", "b")
    assert data.notes == ("dataset.json has no entry labels, and is not read",)
