"""Following the directions that owners of models name."""

import logging
import shutil
from pathlib import Path

import pytest

from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.directions import add_direction, directions_path, remove_direction
from mirage.service.versions.named_directions import DirectionFiles
from tests.bundles import make_bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_bundle(tmp_path, "toy")
    make_bundle(tmp_path, "toy", seed=1)
    return tmp_path


def names(files: DirectionFiles, root: Path, version: int = 1) -> list[str]:
    return list(files.of(read_manifest(root / "toy" / str(version))))


def test_names_are_followed_version_by_version(root: Path) -> None:
    files = DirectionFiles(root)
    files.refresh()
    assert names(files, root) == []
    add_direction(root, "toy", 1, "age", 1)
    assert names(files, root) == []
    files.refresh()
    assert names(files, root) == ["age"]
    assert names(files, root, 2) == []
    remove_direction(root, "toy", 1, "age")
    files.refresh()
    assert names(files, root) == []


def test_a_removed_file_has_no_names(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    files = DirectionFiles(root)
    files.refresh()
    directions_path(root / "toy" / "1").unlink()
    files.refresh()
    assert names(files, root) == []


def test_a_broken_file_changes_nothing_and_is_logged_once(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_direction(root, "toy", 1, "age", 1)
    files = DirectionFiles(root)
    files.refresh()
    directions_path(root / "toy" / "1").write_text("{")
    with caplog.at_level(logging.ERROR):
        files.refresh()
        files.refresh()
    assert names(files, root) == ["age"]
    assert [record.getMessage()[:45] for record in caplog.records] == [
        "directions not read name=toy version=1: toy: "
    ]


def test_directions_that_do_not_fit_the_version_are_left_out(root: Path) -> None:
    path = directions_path(root / "toy" / "1")
    path.write_text('{"few": {"vector": [1.0]}, "far": {"index": 7}, "fine": {"index": 0}}')
    files = DirectionFiles(root)
    files.refresh()
    assert names(files, root) == ["fine"]


def test_a_folder_that_cannot_be_read_changes_nothing(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    files, manifest = DirectionFiles(root), read_manifest(root / "toy" / "1")
    files.refresh()
    shutil.rmtree(root)
    files.refresh()
    assert list(files.of(manifest)) == ["age"]
