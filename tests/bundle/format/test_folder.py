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


def read_error(path: Path, name: str = "file", limit_bytes: int = 2**30) -> tuple[str, str]:
    with open_folder(path) as folder, pytest.raises(BundleError) as caught:
        folder.read(name, limit_bytes)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("keep_bytes", [0, 1, 2**20 + 1, len(CONTENTS), 2**40])
def test_scan_returns_the_first_bytes(path: Path, keep_bytes: int) -> None:
    assert scan(path, keep_bytes=keep_bytes) == CONTENTS[:keep_bytes]


def test_read_returns_the_whole_file(path: Path) -> None:
    with open_folder(path) as folder:
        assert folder.read("file", len(CONTENTS)) == CONTENTS


def test_scan_accepts_an_empty_file(path: Path) -> None:
    (path / "empty").touch()
    entry = FileEntry(sha256=hashlib.sha256(b"").hexdigest(), size_bytes=0)
    assert scan(path, entry, name="empty") == b""


def test_rejects_another_hash(path: Path) -> None:
    (path / "file").write_bytes(CONTENTS[:-1] + b"x")
    with pytest.raises(BundleError, match=f"the manifest says {ENTRY.sha256}") as caught:
        scan(path)
    assert caught.value.reason == "file_hash"


def test_rejects_another_size(path: Path) -> None:
    with pytest.raises(BundleError, match="has 2560000 bytes; the manifest says 5") as caught:
        scan(path, ENTRY.model_copy(update={"size_bytes": 5}))
    assert caught.value.reason == "file_size"


def test_names_a_missing_file(path: Path) -> None:
    assert read_error(path, "gone")[0] == "file_missing"


def test_rejects_a_symbolic_link_even_within_the_folder(path: Path) -> None:
    (path / "link").symlink_to("file")
    assert read_error(path, "link")[0] == "file_link"


def test_rejects_a_hard_link(path: Path) -> None:
    os.link(path / "file", path.parent / "outside")
    reason, message = read_error(path)
    assert reason == "file_link"
    assert "2 names" in message


def test_rejects_a_named_pipe_without_blocking(path: Path) -> None:
    os.mkfifo(path / "pipe")
    assert read_error(path, "pipe") == ("file_unreadable", "pipe is no plain file")


def test_rejects_a_folder(path: Path) -> None:
    (path / "inner").mkdir()
    assert read_error(path, "inner")[0] == "file_unreadable"


def test_rejects_a_sparse_file_of_2_gigabytes_by_its_size(path: Path) -> None:
    os.truncate(path / "file", 2**31)
    reason, message = read_error(path, limit_bytes=2**28)
    assert reason == "file_too_large"
    assert "2147483648 bytes; at most 268435456" in message


def test_does_not_list_hidden_entries(path: Path) -> None:
    (path / ".hidden").touch()
    with open_folder(path) as folder:
        assert folder.names() == ["file"]


def test_rejects_a_linked_folder(path: Path) -> None:
    link = path.parent / "link"
    link.symlink_to(path)
    with pytest.raises(BundleError) as caught, open_folder(link):
        pass
    assert caught.value.reason == "file_link"


@pytest.mark.parametrize("name", ["gone", "folder/file"])
def test_rejects_missing_folders_and_files(path: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught, open_folder(path.parent / name):
        pass
    assert caught.value.reason == "not_found"


def test_replacing_an_open_folder_does_not_affect_it(path: Path) -> None:
    with open_folder(path) as folder:
        path.rename(path.with_name("moved"))
        path.mkdir()
        (path / "file").write_bytes(b"other")
        assert folder.read("file", len(CONTENTS)) == CONTENTS
