from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.models import RemoteModels, file_name
from mirage.bundle.remote.push import push, push_next
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


def test_of_racing_releases_none_is_lost(here: Path, three: RemoteModels) -> None:
    """Each names the one before it, so all of them form one chain."""
    for _ in range(3):
        push_next(here, "toy", 1, three)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda version: release_at(three, "toy", version), range(1, 7)))
    before = {new.version: new.previous for new in made}
    last = released(three)
    chain = [last.version if last else None]
    while chain[-1] is not None:
        chain.append(before.pop(chain[-1]))
    assert len(chain) == 7
    assert before == {}


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
