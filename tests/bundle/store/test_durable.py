import os
from pathlib import Path

import pytest

from mirage.bundle.store.durable import replace_file, sync_file, sync_folder


def test_creates_and_replaces_a_file(tmp_path: Path) -> None:
    for contents in (b"one", b"two, and longer", b""):
        replace_file(tmp_path / "file", contents)
        assert (tmp_path / "file").read_bytes() == contents
        assert os.listdir(tmp_path) == ["file"]


def test_ignores_the_remains_of_a_killed_writer(tmp_path: Path) -> None:
    (tmp_path / ".file").write_bytes(b"half")
    replace_file(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"untouched")
    for name in ("file", ".file"):
        (tmp_path / name).symlink_to("outside")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert not (tmp_path / "file").is_symlink()


def test_an_open_reader_keeps_the_old_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb") as reader:
        replace_file(tmp_path / "file", b"new")
        assert reader.read() == b"old"


def test_syncing_a_missing_file_fails(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_file(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
