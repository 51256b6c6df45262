import shutil
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.prune import prune
from mirage.bundle.store.release import release
from tests.bundles import make_bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with versions 1 … 5 of a toy, none released."""
    for seed in range(5):
        make_bundle(tmp_path, seed=seed)
    return tmp_path


def write_release(root: Path, text: str) -> None:
    (root / "toy" / "release.json").write_text(text)


@pytest.mark.parametrize(("keep", "left"), [(1, [5]), (2, [4, 5]), (5, [1, 2, 3, 4, 5]), (9, None)])
def test_keeps_the_newest_versions(root: Path, keep: int, left: list[int] | None) -> None:
    removed = prune(root, "toy", keep)
    assert list_versions(root, "toy") == (left or [1, 2, 3, 4, 5])
    assert sorted([*removed, *list_versions(root, "toy")]) == [1, 2, 3, 4, 5]


def test_keeps_versions_that_the_release_names(root: Path) -> None:
    write_release(root, '{"version": 2, "previous": 1, "canary": {"version": 3, "share": 0.1}}')
    assert prune(root, "toy", 1) == [4]
    assert list_versions(root, "toy") == [1, 2, 3, 5]


def test_a_dry_run_removes_nothing(root: Path) -> None:
    release(root, "toy", 1)
    assert prune(root, "toy", 2, dry_run=True) == [2, 3]
    assert list_versions(root, "toy") == [1, 2, 3, 4, 5]


def test_version_numbers_are_not_reused(root: Path) -> None:
    prune(root, "toy", 1)
    assert make_bundle(root).name == "6"


def test_removes_nothing_if_the_release_is_unreadable(root: Path) -> None:
    write_release(root, "{")
    with pytest.raises(BundleError) as caught:
        prune(root, "toy", 1)
    assert caught.value.reason == "release_unreadable"
    assert list_versions(root, "toy") == [1, 2, 3, 4, 5]


def test_removes_the_remains_of_a_killed_prune(root: Path) -> None:
    (root / "toy" / "2").rename(root / "toy" / ".pruned-2")
    assert prune(root, "toy", 5) == []
    assert not list((root / "toy").glob(".pruned-*"))


def test_prunes_a_version_that_came_back_after_a_killed_prune(root: Path) -> None:
    shutil.copytree(root / "toy" / "1", root / "toy" / ".pruned-1")
    assert 1 in prune(root, "toy", 1)
    assert not list((root / "toy").glob(".pruned-*"))


def test_does_not_prune_a_locked_model(root: Path) -> None:
    with lock_model(root / "toy", wait=False), pytest.raises(BundleError) as caught:
        prune(root, "toy", 1)
    assert caught.value.reason == "locked"


def test_rejects_keep_below_1(root: Path) -> None:
    with pytest.raises(ValueError, match="keep is 0; at least 1 is allowed"):
        prune(root, "toy", 0)
