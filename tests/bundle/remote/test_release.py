from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.models import RemoteModels, file_name
from mirage.bundle.remote.push import push
from mirage.bundle.remote.release import release_at, rollback_at
from mirage.bundle.store.release import Canary, Release
from tests.bundles import make_bundle


@pytest.fixture
def three(here: Path, remote: RemoteModels) -> RemoteModels:
    """Versions 1 … 3 of a toy, none released."""
    for version in (1, 2, 3):
        push(here, "toy", version, remote)
    return remote


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def released(remote: RemoteModels) -> Release | None:
    found = remote.read_release("toy")
    return found.release if found else None


def test_a_release_names_the_one_before(three: RemoteModels) -> None:
    assert release_at(three, "toy", 1) == Release(1)
    assert release_at(three, "toy", 2, Canary(3, 0.25)) == Release(2, 1, Canary(3, 0.25))
    assert released(three) == Release(2, 1, Canary(3, 0.25))
    assert release_at(three, "toy", 2) == Release(2, 1)
    assert three.read_index().names == ("toy",)


def test_a_rollback_swaps_both(three: RemoteModels) -> None:
    assert reason_of(lambda: rollback_at(three, "toy")) == "not_released"
    release_at(three, "toy", 1)
    assert reason_of(lambda: rollback_at(three, "toy")) == "no_previous"
    release_at(three, "toy", 2)
    assert rollback_at(three, "toy") == Release(1, 2)
    assert released(three) == Release(1, 2)


def test_what_is_not_whole_is_not_released(three: RemoteModels) -> None:
    assert reason_of(lambda: release_at(three, "toy", 9)) == "not_found"
    assert reason_of(lambda: release_at(three, "toy", 1, Canary(9, 0.5))) == "not_found"
    three.objects.delete([file_name("toy", 2, "golden.npz")])
    assert reason_of(lambda: release_at(three, "toy", 2)) == "file_missing"
    three.objects.create(file_name("toy", 2, "golden.npz"), b"short")
    assert reason_of(lambda: release_at(three, "toy", 2)) == "file_size"
    assert released(three) is None


def test_a_canary_of_other_classes_is_not_released(three: RemoteModels, tmp_path: Path) -> None:
    for _ in range(4):
        make_bundle(tmp_path, labels=())
    push(tmp_path, "toy", 4, three)
    assert reason_of(lambda: release_at(three, "toy", 1, Canary(4, 0.5))) == "canary_mismatch"


def test_of_racing_releases_none_is_lost(three: RemoteModels) -> None:
    """Each names the one before it, so all of them form one chain."""
    release_at(three, "toy", 1)

    def work(number: int) -> list[Release]:
        return [release_at(three, "toy", 1 + (number + turn) % 3) for turn in range(3)]

    with ThreadPoolExecutor(4) as pool:
        made = [new for releases in pool.map(work, range(4)) for new in releases]
    assert len(made) == 12
    assert released(three) in made
    assert all(new.previous in (1, 2, 3) and new.previous != new.version for new in made)


def test_of_racing_rollbacks_one_wins(three: RemoteModels, monkeypatch: Any) -> None:
    """A second swap would release again what both want to leave."""
    release_at(three, "toy", 1)
    release_at(three, "toy", 2)
    stale = three.read_release("toy")
    release_at(three, "toy", 3)  # by somebody else, in between
    answers = iter([stale])
    genuine = RemoteModels.read_release
    monkeypatch.setattr(
        RemoteModels,
        "read_release",
        lambda self, name, unless=None: next(answers, None) or genuine(self, name, unless),
    )
    assert reason_of(lambda: rollback_at(three, "toy")) == "object_changed"
    assert released(three) == Release(3, 2)


def test_racing_first_releases_are_all_in_the_index(remote: RemoteModels, tmp_path: Path) -> None:
    names = [f"toy{number}" for number in range(6)]
    for name in names:
        make_bundle(tmp_path, name)
        push(tmp_path, name, 1, remote)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: release_at(remote, name, 1), names))
    assert remote.read_index().names == tuple(names)


@pytest.mark.parametrize("text", [b"[]", b'{"models": ["../x"]}', b'{"models": 1}', b"{}", b"\xff"])
def test_an_invalid_index_is_an_error(remote: RemoteModels, text: bytes) -> None:
    remote.objects.create("models.json", text)
    assert reason_of(remote.read_index) == "release_unreadable"
