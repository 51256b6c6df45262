"""Files of versions are hashed once, and again when they change."""

import os
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import Folder
from mirage.bundle.format.verify import read_manifest
from mirage.service.api import verified_files
from mirage.service.api.verified_files import VerifiedFiles
from tests.bundles import make_bundle, reseal

CARD = "README.md"


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are hashed."""
    names: list[str] = []
    scan = Folder.scan

    def watched(folder: Folder, name: str, *arguments: object, **options: object) -> bytes:
        names.append(name)
        return scan(folder, name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Folder, "scan", watched)
    return names


def test_a_file_that_does_not_change_is_hashed_once(tmp_path: Path, scanned: list[str]) -> None:
    path, files = make_bundle(tmp_path), VerifiedFiles()
    scanned.clear()
    for _ in range(3):
        assert files.read(path, read_manifest(path), CARD) == b"# A toy\n"
    assert scanned == [CARD]


def test_a_file_that_changes_is_hashed_again(tmp_path: Path) -> None:
    path, files = make_bundle(tmp_path), VerifiedFiles()
    files.read(path, read_manifest(path), CARD)
    (path / ".new").write_bytes(b"# A yot\n")
    os.replace(path / ".new", path / CARD)
    with pytest.raises(BundleError, match="sha256"):
        files.read(path, read_manifest(path), CARD)
    reseal(path)
    assert files.read(path, read_manifest(path), CARD) == b"# A yot\n"


def test_a_file_that_becomes_a_link_is_refused(tmp_path: Path) -> None:
    path, files = make_bundle(tmp_path), VerifiedFiles()
    manifest = read_manifest(path)
    files.read(path, manifest, CARD)
    os.replace(path / CARD, tmp_path / "elsewhere")
    (path / CARD).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="symbolic link"):
        files.read(path, manifest, CARD)


def test_only_so_many_files_are_remembered(
    tmp_path: Path, scanned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_files, "MAX_FILES", 1)
    paths, files = [make_bundle(tmp_path) for _ in range(2)], VerifiedFiles()
    scanned.clear()
    for path in (*paths, paths[0]):
        files.read(path, read_manifest(path), CARD)
    assert len(scanned) == 3
