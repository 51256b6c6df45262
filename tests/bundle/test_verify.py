import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.errors import BundleError
from bundle.limits import Limits
from bundle.manifest import FORMAT_VERSION
from bundle.verify import load_bundle, read_file, read_manifest
from tests.bundles import Toy, make_bundle, reseal

SIZE = 2**31


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return caught.value.reason, str(caught.value)


def test_a_sound_bundle_is_loaded(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, labels=("a", "b"), channels=3)
    bundle = load_bundle(path)
    toy = Toy(labels=("a", "b"), channels=3)
    assert bundle.path == path
    assert bundle.manifest.name == "toy"
    assert bundle.model == toy.model().SerializeToString()
    np.testing.assert_array_equal(bundle.golden.images, toy.golden().images)


def test_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_bundle(tmp_path))
    assert load_bundle(Path(".")).manifest.version == 1


def test_only_the_manifest_can_be_read(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    (path / "model.onnx").unlink()
    assert read_manifest(path).version == 1


def test_bundles_without_weights_and_pictures_are_sound(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    for name in ("weights.safetensors", "README.md"):
        (path / name).unlink()
    reseal(path)
    assert sorted(load_bundle(path).manifest.files) == ["golden.npz", "model.onnx"]


def change_a_byte(path: Path) -> None:
    model = bytearray((path / "model.onnx").read_bytes())
    model[-1] ^= 1
    (path / "model.onnx").write_bytes(model)


def cut_short(path: Path) -> None:
    model = (path / "model.onnx").read_bytes()
    (path / "model.onnx").write_bytes(model[: len(model) // 2])


def cut_short_and_reseal(path: Path) -> None:
    cut_short(path)
    reseal(path)


def replace_by_a_symbolic_link(path: Path) -> None:
    shutil.move(path / "model.onnx", path.parent / "outside")
    (path / "model.onnx").symlink_to("../outside")


def replace_by_a_hard_link(path: Path) -> None:
    os.link(path / "model.onnx", path.parent / "outside")


def put_more_in(path: Path) -> None:
    (path / "more.txt").write_text("more")


def put_a_folder_in(path: Path) -> None:
    (path / "more").mkdir()


def take_golden_out(path: Path) -> None:
    (path / "golden.npz").unlink()


def make_it_huge_and_sparse(path: Path) -> None:
    os.truncate(path / "model.onnx", SIZE)


def make_it_huge_in_the_manifest_too(path: Path) -> None:
    make_it_huge_and_sparse(path)
    manifest = (path / "manifest.json").read_text()
    size = Toy().model().ByteSize()
    (path / "manifest.json").write_text(manifest.replace(f": {size}", f": {SIZE}"))


def make_the_manifest_huge(path: Path) -> None:
    os.truncate(path / "manifest.json", SIZE)


def remove_the_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def swap_the_graph(path: Path) -> None:
    (path / "model.onnx").write_bytes(Toy(channels=3).model().SerializeToString())
    reseal(path)


def empty_the_graph(path: Path) -> None:
    (path / "model.onnx").write_bytes(b"")
    reseal(path)


def break_golden(path: Path) -> None:
    (path / "golden.npz").write_bytes(b"PK")
    reseal(path)


def break_weights(path: Path) -> None:
    (path / "weights.safetensors").write_bytes(b"\xff" * 100)
    reseal(path)


@pytest.mark.parametrize(
    ("tamper", "reason", "named"),
    [
        (change_a_byte, "file_hash", "model.onnx has sha256"),
        (cut_short, "file_size", "bytes; the manifest says"),
        (cut_short_and_reseal, "graph_unreadable", "cut short at byte"),
        (replace_by_a_symbolic_link, "file_link", "model.onnx is a symbolic link"),
        (replace_by_a_hard_link, "file_link", "model.onnx is a hard link"),
        (put_more_in, "file_unlisted", "does not list 'more.txt'"),
        (put_a_folder_in, "file_unlisted", "does not list 'more'"),
        (take_golden_out, "file_missing", "golden.npz is missing"),
        (make_it_huge_and_sparse, "file_too_large", "model.onnx has 2147483648 bytes"),
        (make_it_huge_in_the_manifest_too, "file_too_large", "model.onnx has 2147483648 bytes"),
        (make_the_manifest_huge, "file_too_large", "manifest.json has 2147483648 bytes"),
        (remove_the_manifest, "file_missing", "manifest.json is missing"),
        (swap_the_graph, "graph_interface", "the manifest says images UINT8 [N, 8, 12, 1]"),
        (empty_the_graph, "graph_version", "IR version 0"),
        (break_golden, "golden_invalid", "golden.npz"),
        (break_weights, "weights_invalid", "weights.safetensors"),
        (lambda path: reseal(path, name="other"), "manifest_mismatch", "says other@1; its folder"),
        (lambda path: reseal(path, version=2), "manifest_mismatch", "says toy@2; its folder"),
        (lambda path: reseal(path, format_version=FORMAT_VERSION + 1), "format_newer", "a newer"),
        (lambda path: reseal(path, extra=1), "manifest_invalid", "extra: Extra inputs"),
        (
            lambda path: reseal(path, latent_dim=6, directions=[]),
            "graph_interface",
            "latents FLOAT [N, 6]",
        ),
        (lambda path: reseal(path, labels=[]), "graph_interface", "labels INT64 [N]"),
    ],
)
def test_a_hostile_bundle_is_refused(
    tamper: Callable[[Path], object], reason: str, named: str, tmp_path: Path
) -> None:
    path = make_bundle(tmp_path)
    tamper(path)
    found, message = refusal(path)
    assert found == reason
    assert named in message
    assert "\n" not in message


def test_a_version_under_another_name_is_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    moved = path.rename(path.with_name("2"))
    assert refusal(moved)[0] == "manifest_mismatch"


def test_a_linked_version_is_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    assert refusal(path)[0] == "file_link"


def test_a_missing_version_is_not_found(tmp_path: Path) -> None:
    assert refusal(tmp_path / "toy" / "1")[0] == "not_found"


@pytest.mark.parametrize("limit", ["manifest", "model", "golden", "weights", "other"])
def test_every_file_has_its_limit(limit: str, tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    with pytest.raises(BundleError) as caught:
        load_bundle(path, Limits(**{f"{limit}_bytes": 1}))
    assert caught.value.reason == "file_too_large"


def test_a_header_of_weights_has_its_limit(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    with pytest.raises(BundleError) as caught:
        load_bundle(path, Limits(weights_header_bytes=10))
    assert caught.value.reason == "weights_invalid"


def test_a_file_is_read_whole_and_verified(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    manifest = read_manifest(path)
    assert read_file(path, manifest, "README.md") == b"# A toy\n"
    (path / "README.md").write_bytes(b"# A joy\n")
    with pytest.raises(BundleError, match=r"README\.md has sha256"):
        read_file(path, manifest, "README.md")


def test_a_file_that_is_not_listed_or_too_large_is_not_read(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    (path / "more.txt").write_text("more")
    for name, reason in (("more.txt", "file_missing"), ("README.md", "file_too_large")):
        with pytest.raises(BundleError) as caught:
            read_file(path, read_manifest(path), name, Limits(other_bytes=7))
        assert caught.value.reason == reason
