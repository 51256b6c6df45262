import os
from pathlib import Path

import pytest

from mirage.bundle.store.durable import replace_file, sync_file, sync_folder


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for contents in (b"one", b"two, and longer", b""):
        replace_file(tmp_path / "file", contents)
        assert (tmp_path / "file").read_bytes() == contents
        assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".file").write_bytes(b"half")
    replace_file(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_no_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"untouched")
    for name in ("file", ".file"):
        (tmp_path / name).symlink_to("outside")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert not (tmp_path / "file").is_symlink()


def test_who_reads_while_it_is_replaced_has_the_old_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb") as reader:
        replace_file(tmp_path / "file", b"new")
        assert reader.read() == b"old"


def test_syncing_what_is_not_there_fails(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_file(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
