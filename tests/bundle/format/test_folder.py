import hashlib
import os
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.manifest import FileEntry

CONTENTS = bytes(range(256)) * 10_000  # more than one chunk
ENTRY = FileEntry(sha256=hashlib.sha256(CONTENTS).hexdigest(), size_bytes=len(CONTENTS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(CONTENTS)
    return folder


def scan(path: Path, entry: FileEntry = ENTRY, keep_bytes: int = 0, name: str = "file") -> bytes:
    with open_folder(path) as folder:
        return folder.scan(name, entry, len(CONTENTS), keep_bytes)


def read_refusal(path: Path, name: str = "file", limit_bytes: int = 2**30) -> tuple[str, str]:
    with open_folder(path) as folder, pytest.raises(BundleError) as caught:
        folder.read(name, limit_bytes)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("keep_bytes", [0, 1, 2**20 + 1, len(CONTENTS), 2**40])
def test_a_sound_file_gives_its_first_bytes(path: Path, keep_bytes: int) -> None:
    assert scan(path, keep_bytes=keep_bytes) == CONTENTS[:keep_bytes]


def test_a_file_is_read_whole(path: Path) -> None:
    with open_folder(path) as folder:
        assert folder.read("file", len(CONTENTS)) == CONTENTS


def test_an_empty_file_has_a_hash_too(path: Path) -> None:
    (path / "empty").touch()
    entry = FileEntry(sha256=hashlib.sha256(b"").hexdigest(), size_bytes=0)
    assert scan(path, entry, name="empty") == b""


def test_another_hash_is_refused(path: Path) -> None:
    (path / "file").write_bytes(CONTENTS[:-1] + b"x")
    with pytest.raises(BundleError, match=f"the manifest says {ENTRY.sha256}") as caught:
        scan(path)
    assert caught.value.reason == "file_hash"


def test_another_size_is_refused(path: Path) -> None:
    with pytest.raises(BundleError, match="has 2560000 bytes; the manifest says 5") as caught:
        scan(path, ENTRY.model_copy(update={"size_bytes": 5}))
    assert caught.value.reason == "file_size"


def test_a_missing_file_is_named(path: Path) -> None:
    assert read_refusal(path, "gone")[0] == "file_missing"


def test_a_symbolic_link_is_refused_even_to_a_neighbour(path: Path) -> None:
    (path / "link").symlink_to("file")
    assert read_refusal(path, "link")[0] == "file_link"


def test_a_hard_link_is_refused(path: Path) -> None:
    os.link(path / "file", path.parent / "outside")
    reason, message = read_refusal(path)
    assert reason == "file_link"
    assert "2 names" in message


def test_a_named_pipe_is_refused_without_waiting_for_it(path: Path) -> None:
    os.mkfifo(path / "pipe")
    assert read_refusal(path, "pipe") == ("file_unreadable", "pipe is no plain file")


def test_a_folder_is_no_file(path: Path) -> None:
    (path / "inner").mkdir()
    assert read_refusal(path, "inner")[0] == "file_unreadable"


def test_a_sparse_file_of_2_gigabytes_is_refused_by_its_size(path: Path) -> None:
    os.truncate(path / "file", 2**31)
    reason, message = read_refusal(path, limit_bytes=2**28)
    assert reason == "file_too_large"
    assert "2147483648 bytes; at most 268435456" in message


def test_hidden_entries_are_not_listed(path: Path) -> None:
    (path / ".hidden").touch()
    with open_folder(path) as folder:
        assert folder.names() == ["file"]


def test_a_linked_folder_is_refused(path: Path) -> None:
    link = path.parent / "link"
    link.symlink_to(path)
    with pytest.raises(BundleError) as caught, open_folder(link):
        pass
    assert caught.value.reason == "file_link"


@pytest.mark.parametrize("name", ["gone", "folder/file"])
def test_what_is_no_folder_is_not_found(path: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught, open_folder(path.parent / name):
        pass
    assert caught.value.reason == "not_found"


def test_what_takes_the_place_of_an_open_folder_is_not_read(path: Path) -> None:
    with open_folder(path) as folder:
        path.rename(path.with_name("moved"))
        path.mkdir()
        (path / "file").write_bytes(b"other")
        assert folder.read("file", len(CONTENTS)) == CONTENTS
