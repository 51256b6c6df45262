import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member, parse_manifest
from mirage.bundle.remote.hub.push import push_to_hub
from mirage.bundle.store.directions import add_direction
from mirage.bundle.store.publish import publish_ensemble
from tests.bundles import make_bundle
from tests.hub import LARGE, URL, Hub


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def test_a_version_is_one_commit(hub: Hub, here: Path) -> None:
    pushed = push_to_hub(here, "toy", 1, URL)
    assert (pushed.version, pushed.repeated) == (1, False)
    assert len(hub.commits) == 2
    folder = here / "toy" / "1"
    assert {name for name in hub.files if name.startswith("1/")} == {
        f"1/{path.name}" for path in folder.iterdir()
    }
    for path in folder.iterdir():
        assert hub.files[f"1/{path.name}"] == path.read_bytes()
    assert len(hub.large) == len(list(folder.glob(f"*{LARGE}")))


def test_a_repeat_commits_nothing(hub: Hub, here: Path) -> None:
    first = push_to_hub(here, "toy", 1, URL)
    again = push_to_hub(here, "toy", 1, URL)
    assert again.repeated
    assert again.digest == first.digest
    assert len(hub.commits) == 2


def test_the_root_has_the_card_of_the_highest_version(hub: Hub, tmp_path: Path) -> None:
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    push_to_hub(tmp_path, "toy", 2, URL)
    assert hub.files["README.md"] == (tmp_path / "toy/2/README.md").read_bytes()
    hub.add_commit({"README.md": b"of version 2"})
    push_to_hub(tmp_path, "toy", 1, URL)
    assert hub.files["README.md"] == b"of version 2"
    push_to_hub(tmp_path, "toy", 1, URL, free=True)
    assert hub.files["README.md"] == hub.files["3/README.md"]


def test_the_next_free_number_is_in_the_manifest(hub: Hub, here: Path) -> None:
    push_to_hub(here, "toy", 2, URL)
    pushed = push_to_hub(here, "toy", 1, URL, free=True)
    assert pushed.version == 3
    assert parse_manifest(hub.files["3/manifest.json"]).version == 3


def test_another_bundle_of_the_number_stays(hub: Hub, here: Path, tmp_path: Path) -> None:
    push_to_hub(here, "toy", 1, URL)
    make_bundle(tmp_path, seed=9)
    assert reason_of(lambda: push_to_hub(tmp_path, "toy", 1, URL)) == "version_exists"
    assert len(hub.commits) == 2


def test_a_repository_holds_one_model(hub: Hub, here: Path, tmp_path: Path) -> None:
    push_to_hub(here, "toy", 1, URL)
    make_bundle(tmp_path, name="other")
    assert reason_of(lambda: push_to_hub(tmp_path, "other", 1, URL)) == "manifest_mismatch"


def test_a_commit_of_another_writer_is_not_overwritten(hub: Hub, here: Path) -> None:
    hub.race = True
    assert reason_of(lambda: push_to_hub(here, "toy", 1, URL)) == "object_changed"
    assert "1/manifest.json" not in hub.files
    assert not push_to_hub(here, "toy", 1, URL).repeated
    assert "notes.txt" in hub.files


def test_names_of_directions_travel_and_are_replaced(hub: Hub, here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "toy", tmp_path / "toy")
    push_to_hub(tmp_path, "toy", 1, URL)
    file = "directions-1.json"
    assert file not in hub.files
    add_direction(tmp_path, "toy", 1, "smile", 0)
    assert push_to_hub(tmp_path, "toy", 1, URL).repeated
    assert hub.files[file] == (tmp_path / "toy" / file).read_bytes()
    push_to_hub(tmp_path, "toy", 1, URL)
    assert len(hub.commits) == 3


def test_members_of_an_ensemble_come_first(hub: Hub, here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "toy", tmp_path / "toy")
    members = [Member(version=1, weight=1.0), Member(version=2, weight=1.0)]
    version = int(publish_ensemble(tmp_path, "toy", members).name)
    push_to_hub(tmp_path, "toy", 1, URL)
    assert reason_of(lambda: push_to_hub(tmp_path, "toy", version, URL)) == "members_invalid"
    push_to_hub(tmp_path, "toy", 2, URL)
    push_to_hub(tmp_path, "toy", version, URL)
    assert f"{version}/manifest.json" in hub.files
    assert reason_of(lambda: push_to_hub(tmp_path, "toy", version, URL, free=True)) == "ensemble"
