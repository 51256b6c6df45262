import errno
import os
import stat
from pathlib import Path

import pytest

from mirage.client.bulk.place import FolderPlace, claim
from mirage.client.errors import DatasetError


def write(place: FolderPlace, name: str, contents: bytes) -> None:
    with place.new(name) as file:
        file.write(contents)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "new"


def test_a_file_appears_when_it_is_complete(root: Path) -> None:
    place = FolderPlace(root)
    assert place.read("a") is None
    with place.new("a") as file:
        file.write(b"1")
        assert not place.exists("a")
    assert place.exists("a")
    assert place.read("a") == b"1"
    assert [path.name for path in root.iterdir()] == ["a"]


def test_a_file_is_never_replaced(root: Path) -> None:
    place = FolderPlace(root)
    write(place, "a", b"1")
    write(place, "a", b"2")
    assert claim(place, "a", b"3") == b"1"
    assert [path.read_bytes() for path in root.iterdir()] == [b"1"]


def test_others_may_read_a_file_as_far_as_the_umask_allows(root: Path) -> None:
    before = os.umask(0o027)
    try:
        write(FolderPlace(root), "a", b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o640


def test_an_error_leaves_nothing(root: Path) -> None:
    with pytest.raises(RuntimeError), FolderPlace(root).new("a"):
        raise RuntimeError
    assert list(root.iterdir()) == []


def test_tidying_removes_drafts_of_files_that_exist(root: Path) -> None:
    place = FolderPlace(root)
    write(place, "images-000001.tar", b"1")
    stale, live = root / ".images-000001.tar.0a.part", root / ".images-000002.tar.0a.part"
    stale.touch()
    live.touch()
    place.tidy()
    assert {path.name for path in root.iterdir()} == {"images-000001.tar", live.name}


def test_a_draft_that_another_process_tidied_up_is_written_already(root: Path) -> None:
    place = FolderPlace(root)
    with place.new("images-000001.tar") as file:
        file.write(b"1")
        write(place, "images-000001.tar", b"1")
        place.tidy()
    assert place.read("images-000001.tar") == b"1"


def test_a_draft_that_vanished_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError), FolderPlace(root).new("a"):
        next(root.iterdir()).unlink()


def test_says_that_a_file_system_has_no_links(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DatasetError, match="new is on a file system without hard links"):
        write(FolderPlace(root), "a", b"1")
