from collections.abc import Callable
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.hub.pull import pull_from_hub
from mirage.bundle.remote.hub.push import push_to_hub
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.members import verify_version
from mirage.bundle.store.release import read_release
from tests.bundles import make_bundle
from tests.hub import URL, Hub


@pytest.fixture
def two(hub: Hub, here: Path) -> Hub:
    """A repository with versions 1 and 2."""
    push_to_hub(here, "toy", 1, URL)
    push_to_hub(here, "toy", 2, URL)
    hub.requests.clear()
    return hub


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def test_the_highest_version_comes_and_is_not_released(
    two: Hub, here: Path, tmp_path: Path
) -> None:
    two.add_commit({"directions-2.json": b'{"smile": {"index": 0}}'})
    found = pull_from_hub(URL, tmp_path / "models")
    assert (found.manifest.name, found.manifest.version) == ("toy", 2)
    model = tmp_path / "models" / "toy"
    verify_version(model / "2")
    for path in (here / "toy" / "2").iterdir():
        assert (model / "2" / path.name).read_bytes() == path.read_bytes()
    assert read_release(model.parent, "toy") is None
    assert {path.name for path in model.iterdir()} == {"2", "directions-2.json", ".lock"}
    assert not [path for path in model.rglob("*") if path.is_symlink()]
    assert not (tmp_path / "home").exists()


def test_a_repeat_copies_no_files(two: Hub, tmp_path: Path) -> None:
    pull_from_hub(URL, tmp_path)
    two.requests.clear()
    pull_from_hub(URL, tmp_path)
    assert not [line for line in two.requests if "model.onnx" in line]


def test_a_number_and_a_digest_choose_the_version(two: Hub, tmp_path: Path) -> None:
    one = pull_from_hub(URL, tmp_path, "toy", 1)
    assert list_versions(tmp_path, "toy") == [1]
    assert reason_of(lambda: pull_from_hub(URL, tmp_path, digest=one.digest)) == "file_hash"
    assert list_versions(tmp_path, "toy") == [1]
    assert pull_from_hub(URL, tmp_path, "toy", 1, one.digest).digest == one.digest
    assert reason_of(lambda: pull_from_hub(URL, tmp_path, version=9)) == "not_found"
    assert reason_of(lambda: pull_from_hub(URL, tmp_path, "other")) == "manifest_mismatch"


def test_all_files_are_of_one_commit(two: Hub, tmp_path: Path) -> None:
    pull_from_hub(URL, tmp_path)
    files = [line for line in two.requests if "/resolve/" in line]
    assert files
    assert all(f"/resolve/{two.commits[-1]}/" in line for line in files)


def test_a_damaged_version_does_not_appear(two: Hub, tmp_path: Path) -> None:
    graph = two.files["2/model.onnx"]
    two.add_commit({"2/model.onnx": graph[::-1]})
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "file_hash"
    two.add_commit({"2/model.onnx": graph[:-1]})
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "file_size"
    del two.files["2/model.onnx"]
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "object_missing"
    assert list_versions(tmp_path, "toy") == []
    assert list((tmp_path / "toy").glob(".draft*")) == []


def test_what_is_too_large_is_refused_before_it_is_copied(two: Hub, tmp_path: Path) -> None:
    two.sizes["2/manifest.json"] = 2**30
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "file_too_large"
    assert not [line for line in two.requests if "/resolve/" in line]


def test_a_manifest_of_another_number_is_refused(two: Hub, tmp_path: Path) -> None:
    two.add_commit({"3/manifest.json": two.files["2/manifest.json"]})
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "manifest_mismatch"


def test_another_bundle_of_the_number_stays_here(two: Hub, tmp_path: Path) -> None:
    path = make_bundle(tmp_path, seed=9)
    before = (path / "manifest.json").read_bytes()
    assert reason_of(lambda: pull_from_hub(URL, tmp_path, version=1)) == "version_exists"
    assert (path / "manifest.json").read_bytes() == before


def test_an_empty_repository_has_no_version(hub: Hub, tmp_path: Path) -> None:
    assert reason_of(lambda: pull_from_hub(URL, tmp_path)) == "not_found"
