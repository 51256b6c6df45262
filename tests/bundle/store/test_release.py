import json
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.release import Canary, Release, read_release, release, rollback
from tests.bundles import Toy, make_bundle, publish_toy


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with versions 1, 2 and 3 of a toy, none released."""
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "toy" / "release.json").write_text(text)


def reason_of(caught: pytest.ExceptionInfo[BundleError]) -> str:
    return caught.value.reason


def test_a_new_model_has_no_release(root: Path) -> None:
    assert read_release(root, "toy") is None


def test_a_release_names_the_previous_version(root: Path) -> None:
    assert release(root, "toy", 1) == Release(1, None)
    assert release(root, "toy", 3) == Release(3, 1)
    assert read_release(root, "toy") == Release(3, 1)
    assert json.loads((root / "toy" / "release.json").read_bytes()) == {"version": 3, "previous": 1}


def test_releasing_the_same_version_again_changes_nothing(root: Path) -> None:
    release(root, "toy", 1)
    release(root, "toy", 2)
    assert release(root, "toy", 2) == Release(2, 1)


def test_rollback_swaps_released_and_previous(root: Path) -> None:
    release(root, "toy", 1)
    release(root, "toy", 2)
    assert rollback(root, "toy") == Release(1, 2)
    assert rollback(root, "toy") == Release(2, 1)


@pytest.mark.parametrize("change", [rollback, lambda root, name: release(root, name, 2)])
def test_a_canary_ends_with_the_next_change(change: object, root: Path) -> None:
    write(root, '{"version": 2, "previous": 1, "canary": {"version": 3, "share": 0.05}}')
    assert read_release(root, "toy") == Release(2, 1, Canary(3, 0.05))
    assert callable(change)
    change(root, "toy")
    after = read_release(root, "toy")
    assert after is not None
    assert after.canary is None


def test_previous_is_optional_in_the_file(root: Path) -> None:
    write(root, '{"version": 2}')
    assert read_release(root, "toy") == Release(2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[2]",
        "{}",
        '{"version": 0}',
        '{"version": "2"}',
        '{"version": true}',
        '{"version": 2.0}',
        '{"version": 2, "previous": 0}',
        '{"version": 2, "surprise": 1}',
        '{"version": 2, "version": 3}',
        '{"version": 2, "canary": 3}',
        '{"version": 2, "canary": {"version": 3}}',
        '{"version": 2, "canary": {"version": 3, "share": 1.01}}',
        '{"version": 2, "canary": {"version": 3, "share": NaN}}',
        '{"version": 2}' + " " * 5000,
    ],
    ids=str,
)
def test_reports_an_invalid_release_file(text: str, root: Path) -> None:
    write(root, text)
    with pytest.raises(BundleError, match=r"toy: release\.json") as caught:
        read_release(root, "toy")
    assert reason_of(caught) == "release_unreadable"


def test_does_not_follow_a_linked_release_file(root: Path) -> None:
    (root / "toy" / "release.json").symlink_to("/dev/zero")
    with pytest.raises(BundleError, match="symbolic link") as caught:
        read_release(root, "toy")
    assert reason_of(caught) == "release_unreadable"


def test_release_replaces_an_invalid_release_file(root: Path) -> None:
    write(root, "broken")
    assert release(root, "toy", 2) == Release(2, None)


def test_rollback_rejects_an_invalid_release_file(root: Path) -> None:
    write(root, "broken")
    with pytest.raises(BundleError) as caught:
        rollback(root, "toy")
    assert reason_of(caught) == "release_unreadable"


def test_does_not_release_a_broken_version(root: Path) -> None:
    release(root, "toy", 1)
    (root / "toy" / "2" / "model.onnx").write_bytes(b"broken")
    with pytest.raises(BundleError) as caught:
        release(root, "toy", 2)
    assert reason_of(caught) == "file_size"
    assert read_release(root, "toy") == Release(1, None)


def test_does_not_roll_back_to_a_broken_version(root: Path) -> None:
    release(root, "toy", 1)
    release(root, "toy", 2)
    (root / "toy" / "1" / "more").touch()
    with pytest.raises(BundleError) as caught:
        rollback(root, "toy")
    assert reason_of(caught) == "file_unlisted"
    assert read_release(root, "toy") == Release(2, 1)


def test_rollback_needs_a_previous_version(root: Path) -> None:
    with pytest.raises(BundleError) as caught:
        rollback(root, "toy")
    assert reason_of(caught) == "not_released"
    release(root, "toy", 1)
    with pytest.raises(BundleError) as caught:
        rollback(root, "toy")
    assert reason_of(caught) == "no_previous"


def test_does_not_release_while_the_model_is_locked(root: Path) -> None:
    with lock_model(root / "toy", wait=False), pytest.raises(BundleError) as caught:
        release(root, "toy", 1)
    assert reason_of(caught) == "locked"


@pytest.mark.parametrize("version", [4, 99])
def test_reports_a_missing_version(version: int, root: Path) -> None:
    with pytest.raises(BundleError) as caught:
        release(root, "toy", version)
    assert reason_of(caught) == "not_found"


def test_reports_a_missing_model(root: Path) -> None:
    for look in (read_release, rollback):
        with pytest.raises(BundleError) as caught:
            look(root, "gone")
        assert reason_of(caught) == "not_found"


def test_a_model_may_be_a_symbolic_link(root: Path, tmp_path: Path) -> None:
    release(root, "toy", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "toy").rename(elsewhere / "toy")
    (root / "toy").symlink_to(elsewhere / "toy")
    assert release(root, "toy", 2) == Release(2, 1)


def test_verifies_and_writes_the_canary(root: Path) -> None:
    assert release(root, "toy", 2, Canary(3, 0.05)) == Release(2, None, Canary(3, 0.05))
    assert read_release(root, "toy") == Release(2, None, Canary(3, 0.05))
    assert release(root, "toy", 2, Canary(1, 0.5)) == Release(2, None, Canary(1, 0.5))
    (root / "toy" / "3" / "model.onnx").write_bytes(b"broken")
    with pytest.raises(BundleError) as caught:
        release(root, "toy", 2, Canary(3, 0.05))
    assert reason_of(caught) == "file_size"
    assert read_release(root, "toy") == Release(2, None, Canary(1, 0.5))


def test_rollback_ends_the_canary(root: Path) -> None:
    release(root, "toy", 1)
    release(root, "toy", 2, Canary(3, 0.05))
    assert rollback(root, "toy") == Release(1, 2)
    assert read_release(root, "toy") == Release(1, 2)


@pytest.mark.parametrize(
    "toy", [Toy(labels=()), Toy(latent_dim=6), Toy(width=9)], ids=["labels", "latents", "image"]
)
def test_rejects_a_canary_with_another_interface(root: Path, toy: Toy) -> None:
    publish_toy(root, toy)
    with pytest.raises(BundleError, match=r"of canary toy@4, .* released version 1") as caught:
        release(root, "toy", 1, Canary(4, 0.05))
    assert reason_of(caught) == "canary_mismatch"
    assert read_release(root, "toy") is None
