"""Ensembles: publishing, verification and pruning."""

import json
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.members import verify_version
from mirage.bundle.store.prune import prune
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import release
from mirage.bundle.store.report import card, table
from tests.bundles import Toy, make_bundle, publish_toy, reseal


def members(*versions: int) -> list[Member]:
    return [Member(version=version, weight=1.0) for version in versions]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with versions 1 and 2 of a toy, none released."""
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    return tmp_path


def reason(caught: pytest.ExceptionInfo[BundleError]) -> str:
    return caught.value.reason


def test_an_ensemble_is_the_next_version_and_has_no_graph(root: Path) -> None:
    path = publish_ensemble(root, "toy", members(1, 2))
    assert (path.name, [file.name for file in path.iterdir()]) == ("3", ["manifest.json"])
    manifest = verify_version(path)
    assert [member.version for member in manifest.members] == [1, 2]
    assert (manifest.latent_dim, manifest.directions, manifest.scores) == (5, (), {})
    assert manifest.training.preset == "ensemble"


def test_can_be_released_shown_and_listed(root: Path) -> None:
    publish_ensemble(root, "toy", members(1, 2))
    assert release(root, "toy", 3).version == 3
    assert table(root).splitlines()[3].split()[:3] == ["toy", "3", "released"]
    assert "1 (weight 1), 2 (weight 1)" in card(root, "toy", 3)


def test_cannot_be_loaded_as_a_bundle(root: Path) -> None:
    with pytest.raises(BundleError, match="use one of its members") as caught:
        load_bundle(publish_ensemble(root, "toy", members(1, 2)))
    assert reason(caught) == "ensemble"


@pytest.mark.parametrize(
    "toy", [Toy(labels=()), Toy(latent_dim=6), Toy(height=9), Toy(channels=3)], ids=repr
)
def test_rejects_members_of_other_shapes(root: Path, toy: Toy) -> None:
    publish_toy(root, toy)
    with pytest.raises(BundleError) as caught:
        publish_ensemble(root, "toy", members(1, 3))
    assert reason(caught) == "members_invalid"
    assert not (root / "toy" / "4").exists()


def test_rejects_ensembles_as_members(root: Path) -> None:
    path = publish_ensemble(root, "toy", members(1, 2))
    with pytest.raises(BundleError) as caught:
        publish_ensemble(root, "toy", members(1, 3))
    assert reason(caught) == "ensemble"
    outer = path.with_name("4")
    outer.mkdir()
    fields = json.loads((path / "manifest.json").read_bytes())
    fields |= {"version": 4, "members": [{"version": n, "weight": 1.0} for n in (1, 3)]}
    (outer / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(BundleError, match="member toy@3 is an ensemble itself") as caught:
        verify_version(outer)
    assert reason(caught) == "members_invalid"


@pytest.mark.parametrize("versions", [(1,), (1, 1)])
def test_rejects_fewer_than_two_members(root: Path, versions: tuple[int, ...]) -> None:
    with pytest.raises(BundleError) as caught:
        publish_ensemble(root, "toy", members(*versions))
    assert reason(caught) == "manifest_invalid"


def test_a_broken_member_fails_verification(root: Path) -> None:
    path = publish_ensemble(root, "toy", members(1, 2))
    (root / "toy" / "2" / "model.onnx").write_bytes(b"broken")
    with pytest.raises(BundleError) as caught:
        verify_version(path)
    assert reason(caught) == "file_size"
    with pytest.raises(BundleError):
        release(root, "toy", 3)


def test_a_missing_member_fails_verification(root: Path) -> None:
    path = publish_ensemble(root, "toy", members(1, 2))
    (root / "toy" / "2").rename(root / "toy" / ".gone")
    with pytest.raises(BundleError) as caught:
        verify_version(path)
    assert reason(caught) == "not_found"


def test_verifies_the_files_of_the_ensemble(root: Path) -> None:
    path = publish_ensemble(root, "toy", members(1, 2))
    (path / "README.md").write_text("# Two toys\n")
    with pytest.raises(BundleError) as caught:
        verify_version(path)
    assert reason(caught) == "file_unlisted"
    reseal(path)
    verify_version(path)


def test_prune_keeps_members_of_kept_ensembles(root: Path) -> None:
    make_bundle(root)
    publish_ensemble(root, "toy", members(1, 3))
    assert prune(root, "toy", 1, dry_run=True) == [2]
    release(root, "toy", 4)
    make_bundle(root)
    assert prune(root, "toy", 1) == [2]
