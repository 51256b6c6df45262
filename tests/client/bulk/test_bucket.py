"""Shards in object storage, on a real S3 server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.client.__main__ import main
from mirage.client.bulk.bucket import BucketPlace, open_bucket
from mirage.client.bulk.place import claim
from mirage.client.errors import DatasetError, Unreachable
from tests.client.bulk.draws import arguments, draw, files
from tests.object_storage import Bucket, s3_server

Captured = pytest.CaptureFixture[str]
BUSY = "503 Slow Down"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_server() as running:
        yield running


def write(place: BucketPlace, name: str, contents: bytes) -> None:
    with place.new(name) as file:
        file.write(contents)


def test_an_object_is_never_replaced(bucket: Bucket) -> None:
    place = open_bucket(bucket.url(), 0)
    assert place.read("a") is None
    assert not place.exists("a")
    write(place, "a", b"1")
    write(place, "a", b"2")
    assert claim(place, "a", b"3") == b"1"
    with place.open("a") as file:
        assert file.read() == b"1"
    with pytest.raises(FileNotFoundError):
        place.open("b").__enter__()


def test_an_error_leaves_no_object(bucket: Bucket) -> None:
    place = open_bucket(bucket.url(), 0)
    with pytest.raises(RuntimeError), place.new("a"):
        raise RuntimeError
    assert not place.exists("a")


def test_waits_while_the_store_is_away_and_accepts_that_only_an_answer_was_lost(
    bucket: Bucket,
) -> None:
    place = open_bucket(bucket.url(), 60)
    bucket.requests.clear()
    with bucket.only(0, BUSY, after=True):
        writing = threading.Thread(target=write, args=(place, "a", b"1"))
        writing.start()
        while len(bucket.requests) < 6:  # more than one call of the client, which tries four times
            time.sleep(0.01)
        bucket.allowed = None
        writing.join()
    assert place.read("a") == b"1"


def test_denied_access_is_not_tried_again(bucket: Bucket) -> None:
    place = open_bucket(bucket.url(), 60)
    with bucket.only(0), pytest.raises(DatasetError, match="access denied"):
        place.exists("a")


def test_patience_ends(bucket: Bucket) -> None:
    place = open_bucket(bucket.url(), 0)
    with bucket.only(0, BUSY), pytest.raises(Unreachable):
        place.exists("a")


@pytest.mark.parametrize("url", ["ftp://bucket/x", "file:///x", "s3://", "https://example.org/x"])
def test_says_which_urls_are_allowed(url: str) -> None:
    with pytest.raises(DatasetError, match=r"s3://BUCKET/PREFIX|give its path"):
        open_bucket(url, 0)


def contents(place: BucketPlace, names: list[str]) -> dict[str, bytes]:
    return {name: place.read(name) or b"" for name in names}


def test_has_the_files_of_a_folder(
    bucket: Bucket, models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    url, folder = bucket.url(), tmp_path / "folder"
    assert draw(models_root, folder) == 0
    assert main(["draw", "--verify", "-o", str(folder), "--processes", "1"]) == 0
    for part in range(2):
        assert draw(models_root, url, "--part", str(part), "--of", "2") == 0
    assert main(["draw", "--verify", "-o", url, "--processes", "2"]) == 0
    expected = files(folder)
    assert contents(open_bucket(url, 0), list(expected)) == expected
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{url}: 30 images in 5 shards")


def test_existing_shards_are_not_drawn_again(bucket: Bucket, models_root: Path) -> None:
    url = bucket.url()
    assert draw(models_root, url, "--processes", "1") == 0
    bucket.requests.clear()
    assert draw(models_root, url, "--processes", "1") == 0
    assert {request.split()[0] for request in bucket.requests} == {"HEAD", "GET"}
    assert not any("?list-type" in request for request in bucket.requests)


def test_rejects_other_settings(bucket: Bucket, models_root: Path, capsys: Captured) -> None:
    url = bucket.url()
    assert draw(models_root, url) == 0
    assert draw(models_root, url, "--seed", "8") == 3
    assert f"error: seed is 8; the dataset of {url}/images.mirage" in capsys.readouterr().err


def test_a_url_has_shards_of_ten_thousand_by_default(bucket: Bucket, models_root: Path) -> None:
    url = bucket.url()
    words = [word for word in arguments(models_root, url) if word not in ("--shard-size", "7")]
    assert main([*words[: words.index("--seed")], "--seed", "7", "--processes", "1"]) == 0
    plan = open_bucket(url, 0).read("images.plan.json")
    assert plan is not None
    assert b'"shard_size": 10000' in plan
