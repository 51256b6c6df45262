import builtins
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.objects import PART_BYTES, ObjectStore, open_objects
from tests.object_storage import BUCKET, Bucket


@pytest.fixture
def objects(bucket: Bucket) -> ObjectStore:
    return open_objects(bucket.url(), retries=0)


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def test_an_object_is_created_once(objects: ObjectStore) -> None:
    objects.create("mnist/1/.claim", b"mine")
    assert reason_of(lambda: objects.create("mnist/1/.claim", b"theirs")) == "object_exists"
    assert objects.get("mnist/1/.claim", 10) == b"mine"


def test_a_file_is_created(objects: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "shard.tar").write_bytes(b"x" * (PART_BYTES + 1))
    objects.create("shard.tar", tmp_path / "shard.tar")
    assert objects.size("shard.tar") == PART_BYTES + 1


def test_one_of_many_creators_wins(objects: ObjectStore) -> None:
    def create(number: int) -> str:
        try:
            objects.create("claim", str(number).encode())
        except BundleError as error:
            return error.reason
        return "won"

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(create, range(8)))
    assert sorted(ends) == ["object_exists"] * 7 + ["won"]
    assert objects.get("claim", 10) == str(ends.index("won")).encode()


def test_only_the_state_that_was_read_is_replaced(objects: ObjectStore) -> None:
    objects.swap("release.json", b"1", None)
    first = objects.read("release.json", 10)
    assert first is not None
    objects.swap("release.json", b"2", first.tag)
    assert reason_of(lambda: objects.swap("release.json", b"3", first.tag)) == "object_changed"
    assert reason_of(lambda: objects.swap("release.json", b"3", None)) == "object_changed"
    assert objects.get("release.json", 10) == b"2"


def test_an_unchanged_object_is_not_read_again(objects: ObjectStore) -> None:
    objects.create("release.json", b"1")
    found = objects.read("release.json", 10)
    assert found is not None
    assert objects.read("release.json", 10, unless=found.tag) is None
    objects.swap("release.json", b"2", found.tag)
    again = objects.read("release.json", 10, unless=found.tag)
    assert again is not None
    assert again.contents == b"2"


def test_what_is_too_large_is_not_read(objects: ObjectStore) -> None:
    objects.create("manifest.json", b"x" * 11)
    assert reason_of(lambda: objects.get("manifest.json", 10)) == "file_too_large"


def test_missing_objects(objects: ObjectStore) -> None:
    assert not objects.exists("nothing")
    assert reason_of(lambda: objects.get("nothing", 10)) == "object_missing"
    assert reason_of(lambda: objects.download("nothing", io.BytesIO(), 10)) == "object_missing"
    objects.delete(["nothing"])


def test_files_travel_in_parts(objects: ObjectStore, tmp_path: Path, bucket: Bucket) -> None:
    contents = bytes(range(256)) * (2 * PART_BYTES // 256) + b"rest"
    (tmp_path / "weights").write_bytes(contents)
    objects.upload("weights", tmp_path / "weights")
    copy = io.BytesIO()
    bucket.requests.clear()
    objects.download("weights", copy, len(contents))
    assert copy.getvalue() == contents
    assert len(bucket.requests) == 3


def test_a_shorter_object_is_an_error(objects: ObjectStore) -> None:
    objects.create("weights", b"x" * 9)
    assert reason_of(lambda: objects.download("weights", io.BytesIO(), 10)) == "file_size"


def test_names_are_listed(objects: ObjectStore) -> None:
    for name in ("models.json", "a/1/manifest.json", "a/release.json", "b/2/x"):
        objects.create(name, b"")
    assert objects.folders() == ["a", "b"]
    assert objects.folders("a") == ["1"]
    assert [entry.name for entry in objects.entries("a")] == ["a/1/manifest.json", "a/release.json"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://host/x", "s3://", "models", "s3:///x", "memory://x", "https://example.com/x"),
        *("s3://key:secret@bucket/x", "s3://bucket/x?token=1", "file:///tmp"),
    ],
)
def test_other_urls_are_refused_in_words(url: str) -> None:
    with pytest.raises(BundleError) as caught:
        open_objects(url)
    assert caught.value.reason == "url_invalid"
    assert "secret" not in str(caught.value)


def test_a_missing_bucket_is_not_a_missing_object(bucket: Bucket) -> None:
    elsewhere = open_objects("s3://nowhere/models", retries=0)
    for call in (
        lambda: elsewhere.get("x", 10),
        lambda: elsewhere.create("x", b""),
        lambda: elsewhere.swap("x", b"", None),
        elsewhere.folders,
    ):
        assert reason_of(call) == "bucket_missing"


def test_refused_credentials_are_named(objects: ObjectStore, bucket: Bucket) -> None:
    with bucket.only(0):
        assert reason_of(lambda: objects.get("x", 10)) == "remote_denied"


@pytest.mark.parametrize("missing", [("ID",), ("ID", "SECRET")])
def test_absent_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, bucket: Bucket, missing: tuple[str, ...]
) -> None:
    for part in missing:
        monkeypatch.delenv({"ID": "AWS_ACCESS_KEY_ID", "SECRET": "AWS_SECRET_ACCESS_KEY"}[part])
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BundleError, match="set the provider's variables") as caught:
        open_objects(f"s3://{BUCKET}/x", retries=0).get("x", 10)
    assert caught.value.reason == "remote_denied"


def test_a_server_that_fails_is_unreachable(objects: ObjectStore, bucket: Bucket) -> None:
    with bucket.only(0, "503 Slow Down"):
        assert reason_of(lambda: objects.get("x", 10)) == "remote_unreachable"


def test_a_server_that_is_gone_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mirage")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    objects = open_objects(f"s3://{BUCKET}/x", retries=0)
    assert reason_of(lambda: objects.get("x", 10)) == "remote_unreachable"


def test_without_the_extra_the_error_tells_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("obstore"):
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BundleError, match=r"\[s3\]") as caught:
        open_objects("s3://bucket/models")
    assert caught.value.reason == "extra_missing"
