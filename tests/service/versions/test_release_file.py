"""Release files are read only after they have changed."""

import os
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.release import Release, release
from mirage.service.versions.releases import Releases
from tests.bundles import make_bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """a: two versions, 1 released; b: not released."""
    for name in ("a", "a", "b"):
        make_bundle(tmp_path, name)
    release(tmp_path, "a", 1)
    return tmp_path


def test_the_first_call_returns_all_models_and_later_calls_changes(root: Path) -> None:
    releases = Releases(root)
    assert releases.changes() == {"a": Release(1), "b": None}
    assert releases.changes() == {}
    release(root, "a", 2)
    make_bundle(root, "c")
    assert releases.changes() == {"a": Release(2, 1), "c": None}
    assert releases.changes() == {}


def test_a_file_written_again_is_a_change(root: Path) -> None:
    releases = Releases(root)
    releases.changes()
    release(root, "a", 1)
    assert releases.changes() == {"a": Release(1)}


def test_a_removed_file_is_reported_once_and_so_is_its_return(root: Path) -> None:
    releases = Releases(root)
    releases.changes()
    file = root / "a/release.json"
    file.rename(root / "kept")
    assert releases.changes() == {"a": None}
    assert releases.changes() == {}
    (root / "kept").rename(file)
    assert releases.changes() == {"a": Release(1)}


def test_a_removed_model_is_reported_once(root: Path) -> None:
    releases = Releases(root)
    releases.changes()
    (root / "a").rename(root / ".a")
    (found,) = releases.changes().values()
    assert isinstance(found, BundleError)
    assert releases.changes() == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}', '{"version": 1, "x": 1}'])
def test_an_unreadable_file_is_reported_once_with_its_reason(root: Path, text: str) -> None:
    releases = Releases(root)
    (root / "a/release.json").write_text(text)
    found = releases.changes()["a"]
    assert isinstance(found, BundleError)
    assert found.reason == "release_unreadable"
    assert releases.changes() == {}


def test_a_symbolic_link_is_not_followed(root: Path) -> None:
    os.replace(root / "a/release.json", root / "elsewhere")
    (root / "a/release.json").symlink_to(root / "elsewhere")
    found = Releases(root).changes()["a"]
    assert isinstance(found, BundleError)


def test_an_unreadable_folder_is_an_error_and_changes_nothing(root: Path) -> None:
    releases = Releases(root)
    releases.changes()
    moved = root.rename(root.with_name("moved"))
    with pytest.raises(BundleError):
        releases.changes()
    moved.rename(root)
    assert releases.changes() == {}
