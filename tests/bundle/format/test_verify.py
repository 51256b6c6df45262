from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import Limits
from mirage.bundle.format.verify import load_bundle, read_file, read_manifest
from tests.bundle.helpers.hostile import HOSTILE
from tests.bundles import Toy, make_bundle, reseal


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return caught.value.reason, str(caught.value)


def test_loads_a_valid_bundle(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, labels=("a", "b"), channels=3)
    bundle = load_bundle(path)
    toy = Toy(labels=("a", "b"), channels=3)
    assert bundle.path == path
    assert bundle.manifest.name == "toy"
    assert bundle.model == toy.model().SerializeToString()
    np.testing.assert_array_equal(bundle.golden.cases[0].output, toy.golden().cases[0].output)


def test_accepts_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_bundle(tmp_path))
    assert load_bundle(Path(".")).manifest.version == 1


def test_reads_only_the_manifest(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    (path / "model.onnx").unlink()
    assert read_manifest(path).version == 1


def test_weights_and_sample_images_are_optional(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    for name in ("weights.safetensors", "README.md"):
        (path / name).unlink()
    reseal(path)
    assert sorted(load_bundle(path).manifest.files) == ["golden.npz", "model.onnx"]


@pytest.mark.parametrize(
    ("tamper", "reason", "named"),
    HOSTILE,
)
def test_rejects_a_hostile_bundle(
    tamper: Callable[[Path], object], reason: str, named: str, tmp_path: Path
) -> None:
    path = make_bundle(tmp_path)
    tamper(path)
    found, message = refusal(path)
    assert found == reason
    assert named in message
    assert "\n" not in message


def test_rejects_a_version_in_another_folder(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    moved = path.rename(path.with_name("2"))
    assert refusal(moved)[0] == "manifest_mismatch"


def test_rejects_a_linked_version(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    assert refusal(path)[0] == "file_link"


def test_reports_a_missing_version(tmp_path: Path) -> None:
    assert refusal(tmp_path / "toy" / "1")[0] == "not_found"


@pytest.mark.parametrize("limit", ["manifest", "model", "golden", "weights", "other"])
def test_every_file_has_a_limit(limit: str, tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    with pytest.raises(BundleError) as caught:
        load_bundle(path, Limits(**{f"{limit}_bytes": 1}))
    assert caught.value.reason == "file_too_large"


def test_the_header_of_weights_has_a_limit(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    with pytest.raises(BundleError) as caught:
        load_bundle(path, Limits(weights_header_bytes=10))
    assert caught.value.reason == "weights_invalid"


def test_read_file_verifies_the_file(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    manifest = read_manifest(path)
    assert read_file(path, manifest, "README.md") == b"# A toy\n"
    (path / "README.md").write_bytes(b"# A joy\n")
    with pytest.raises(BundleError, match=r"README\.md has sha256"):
        read_file(path, manifest, "README.md")


def test_read_file_rejects_unlisted_and_oversized_files(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    (path / "more.txt").write_text("more")
    for name, reason in (("more.txt", "file_missing"), ("README.md", "file_too_large")):
        with pytest.raises(BundleError) as caught:
            read_file(path, read_manifest(path), name, Limits(other_bytes=7))
        assert caught.value.reason == reason
