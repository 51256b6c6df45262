from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.remote import prune as module
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import ObjectStore
from mirage.bundle.remote.prune import prune_at
from mirage.bundle.remote.push import push, push_next
from mirage.bundle.remote.release import release_at


@pytest.fixture
def three(here: Path, remote: RemoteModels) -> RemoteModels:
    for version in (1, 2, 3):
        push(here, "toy", version, remote)
    return remote


def test_keeps_the_newest_and_what_is_released(three: RemoteModels) -> None:
    release_at(three, "toy", 1)
    assert prune_at(three, "toy", 1, dry_run=True) == [2]
    assert three.list_versions("toy") == [1, 2, 3]
    assert prune_at(three, "toy", 1) == [2]
    assert three.list_versions("toy") == [1, 3]


def test_no_number_is_used_twice(here: Path, three: RemoteModels) -> None:
    assert prune_at(three, "toy", 1) == [1, 2]
    assert [entry.name for entry in three.objects.entries("toy/1")] == ["toy/1/.claim"]
    three.objects.delete(["toy/3/manifest.json"])  # as if it had been removed, too
    assert push_next(here, "toy", 1, three).version == 4


def test_a_version_that_is_released_meanwhile_stays(
    three: RemoteModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ObjectStore.delete
    done: list[bool] = []

    def delete(self: ObjectStore, names: Any) -> None:
        if names == ["toy/1/manifest.json"] and not done:
            done.append(True)
            release_at(three, "toy", 1)  # by somebody else, just before
        original(self, names)

    monkeypatch.setattr(ObjectStore, "delete", delete)
    assert prune_at(three, "toy", 1) == [2]
    assert three.list_versions("toy") == [1, 3]
    three.check_files(three.read_manifest("toy", 1).manifest)


def test_the_files_of_a_push_that_was_given_up_are_removed(
    three: RemoteModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.objects.create("toy/9/.claim", b"{}")
    three.objects.create("toy/9/model.onnx", b"half")
    assert prune_at(three, "toy", 3) == []
    assert three.objects.exists("toy/9/model.onnx")  # it may still go on
    monkeypatch.setattr(module, "UNFINISHED", module.UNFINISHED * -1)  # as if a day had passed
    assert prune_at(three, "toy", 3) == []
    assert [entry.name for entry in three.objects.entries("toy/9")] == ["toy/9/.claim"]
    assert three.list_versions("toy") == [1, 2, 3]


def test_at_least_one_version_stays(three: RemoteModels) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prune_at(three, "toy", 0)
