import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import FileEntry
from mirage.bundle.remote.models import RemoteModels, file_name
from mirage.bundle.remote.pull import pull, pull_version
from mirage.bundle.remote.push import push
from mirage.bundle.remote.release import release_at
from mirage.bundle.remote.verification import verify_apart
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.members import verify_version
from mirage.bundle.store.release import Canary, Release, read_release
from tests.bundles import make_bundle
from tests.object_storage import Bucket


@pytest.fixture
def two(here: Path, remote: RemoteModels) -> RemoteModels:
    """Versions 1 and 2 of a toy; 1 is released."""
    push(here, "toy", 1, remote)
    push(here, "toy", 2, remote)
    release_at(remote, "toy", 1)
    return remote


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def test_the_released_version_and_its_canary_come_with_their_release(
    two: RemoteModels, here: Path, tmp_path: Path
) -> None:
    pulled = pull(two, tmp_path, "toy")
    assert pulled is not None
    assert pulled.changed
    assert read_release(tmp_path, "toy") == Release(1)
    assert list_versions(tmp_path, "toy") == [1]
    release_at(two, "toy", 1, Canary(2, 0.5))
    pull(two, tmp_path, "toy")
    assert read_release(tmp_path, "toy") == Release(1, None, Canary(2, 0.5))
    for version in (1, 2):
        verify_version(tmp_path / "toy" / str(version))
        for file in ("manifest.json", "model.onnx"):
            path = Path("toy", str(version), file)
            assert (tmp_path / path).read_bytes() == (here / path).read_bytes()


def test_a_repeat_copies_nothing(two: RemoteModels, tmp_path: Path, bucket: Bucket) -> None:
    pull(two, tmp_path, "toy")
    bucket.requests.clear()
    again = pull(two, tmp_path, "toy")
    assert again is not None
    assert not again.changed
    assert not [line for line in bucket.requests if "model.onnx" in line]


def test_nothing_is_released(remote: RemoteModels, tmp_path: Path) -> None:
    assert pull(remote, tmp_path, "toy") is None
    assert list(tmp_path.iterdir()) == []


def test_a_digest_pins_the_manifest(two: RemoteModels, tmp_path: Path) -> None:
    wanted = two.read_manifest("toy", 1).digest
    other = two.read_manifest("toy", 2).digest
    assert reason_of(lambda: pull(two, tmp_path, "toy", other)) == "file_hash"
    assert list(tmp_path.iterdir()) == []
    pulled = pull(two, tmp_path, "toy", wanted)
    assert pulled is not None
    assert pulled.digest == wanted


@pytest.mark.parametrize(
    ("file", "contents", "reason"),
    [
        ("golden.npz", None, "object_missing"),
        ("golden.npz", b"short", "file_size"),
        ("model.onnx", "other", "file_hash"),
    ],
)
def test_a_damaged_version_does_not_appear(
    two: RemoteModels, tmp_path: Path, file: str, contents: bytes | str | None, reason: str
) -> None:
    name = file_name("toy", 1, file)
    before = two.objects.get(name, 10**7)
    two.objects.delete([name])
    if contents is not None:
        two.objects.create(name, contents if isinstance(contents, bytes) else before[::-1])
    assert reason_of(lambda: pull(two, tmp_path, "toy")) == reason
    assert list_versions(tmp_path, "toy") == []
    assert read_release(tmp_path, "toy") is None
    assert list((tmp_path / "toy").glob(".draft*")) == []


def test_a_bundle_that_is_whole_but_unsound_does_not_appear(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    """Its hashes are right, and its graph is none."""
    found = _with_file(here, remote, "model.onnx", b"\xff" * 9)
    release = json.dumps({"version": 1}).encode()
    remote.objects.create("toy/release.json", release)
    for verify in (None, verify_apart):
        extra = {} if verify is None else {"verify": verify}
        target = tmp_path / str(verify is None)
        assert (
            reason_of(lambda: pull_version(remote, target, found(), **extra))  # noqa: B023
            == "graph_unreadable"
        )
        assert list_versions(target, "toy") == []


def test_what_is_too_large_is_refused_before_it_is_copied(
    here: Path, remote: RemoteModels, tmp_path: Path, bucket: Bucket
) -> None:
    push(here, "toy", 1, remote)
    found = remote.read_manifest("toy", 1)
    entry = FileEntry(sha256="0" * 64, size_bytes=2**29)
    huge = found.manifest.model_copy(update={"files": found.manifest.files | {"model.onnx": entry}})
    many = {f"notes{number}": FileEntry(sha256="0" * 64, size_bytes=2**26) for number in range(40)}
    heavy = found.manifest.model_copy(update={"files": found.manifest.files | many})
    bucket.requests.clear()
    for manifest in (huge, heavy):
        pretended = found._replace(manifest=manifest)
        assert reason_of(lambda: pull_version(remote, tmp_path, pretended)) == "file_too_large"  # noqa: B023
    assert bucket.requests == []


def test_another_bundle_of_the_number_stays_here(two: RemoteModels, tmp_path: Path) -> None:
    path = make_bundle(tmp_path, seed=9)
    before = (path / "manifest.json").read_bytes()
    assert reason_of(lambda: pull(two, tmp_path, "toy")) == "version_exists"
    assert (path / "manifest.json").read_bytes() == before
    assert read_release(tmp_path, "toy") is None


def test_a_manifest_of_another_model_is_refused(two: RemoteModels, tmp_path: Path) -> None:
    contents = two.read_manifest("toy", 1).contents
    two.objects.create("other/1/manifest.json", contents)
    two.objects.create("other/release.json", b'{"version": 1}')
    assert reason_of(lambda: pull(two, tmp_path, "other")) == "manifest_mismatch"


def _with_file(here: Path, remote: RemoteModels, file: str, contents: bytes) -> Callable:
    """Version 1 with another file, whose hash is in its manifest."""
    import hashlib

    push(here, "toy", 1, remote)
    fields = json.loads(remote.read_manifest("toy", 1).contents)
    digest = hashlib.sha256(contents).hexdigest()
    fields["files"][file] = {"sha256": digest, "size_bytes": len(contents)}
    for name, new in ((file, contents), ("manifest.json", json.dumps(fields).encode())):
        remote.objects.delete([file_name("toy", 1, name)])
        remote.objects.create(file_name("toy", 1, name), new)
    return lambda: remote.read_manifest("toy", 1)
