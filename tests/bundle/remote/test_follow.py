from pathlib import Path

import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.remote.follow import Follower
from mirage.bundle.remote.models import RemoteModels, file_name
from mirage.bundle.remote.push import push
from mirage.bundle.remote.release import release_at
from mirage.bundle.store.directions import add_direction, read_directions
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.release import Release, read_release
from tests.bundles import make_bundle
from tests.object_storage import Bucket


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def three(here: Path, remote: RemoteModels) -> RemoteModels:
    """Versions 1 … 3 of a toy; 1 is released."""
    for version in (1, 2, 3):
        push(here, "toy", version, remote)
    release_at(remote, "toy", 1)
    return remote


@pytest.fixture
def follower(three: RemoteModels, tmp_path: Path, lines: list[str]) -> Follower:
    ready = tmp_path / "ready"
    return Follower(three, tmp_path / "models", lines.append, ready=ready, verify=load_bundle)


def test_a_release_comes_with_the_next_poll(
    follower: Follower, three: RemoteModels, lines: list[str]
) -> None:
    follower.poll(0)
    assert read_release(follower.root, "toy") == Release(1)
    release_at(three, "toy", 2)
    follower.poll(5)
    assert read_release(follower.root, "toy") == Release(2, 1)
    assert list_versions(follower.root, "toy") == [1, 2]
    assert [line.split(";")[0] for line in lines] == [
        "toy: version 1 is released",
        "toy: version 2 is released",
    ]


def test_a_poll_is_one_conditional_get_for_each_model(follower: Follower, bucket: Bucket) -> None:
    follower.poll(0)
    for second in range(5, 60, 5):
        bucket.requests.clear()
        follower.poll(second)
        prefix = follower.remote.objects.url.removeprefix("s3:/")
        assert bucket.requests == [f"GET {prefix}/toy/release.json"]


def test_nothing_is_listed(follower: Follower, bucket: Bucket, three: RemoteModels) -> None:
    bucket.requests.clear()
    follower.poll(0)
    follower.poll(100)
    assert not [line for line in bucket.requests if "list-type" in line]


def test_new_models_and_names_of_directions_come_within_a_minute(
    follower: Follower, three: RemoteModels, tmp_path: Path
) -> None:
    follower.poll(0)
    there = tmp_path / "there"
    make_bundle(there, "other")
    push(there, "other", 1, three)
    release_at(three, "other", 1)
    add_direction(follower.root, "toy", 1, "smile", 0)  # what push would copy, by its bytes
    contents = (follower.root / "toy" / "directions-1.json").read_bytes()
    (follower.root / "toy" / "directions-1.json").unlink()
    three.objects.create("toy/directions-1.json", contents)
    follower.poll(30)
    assert not (follower.root / "other").exists()
    follower.poll(61)
    assert read_release(follower.root, "other") == Release(1)
    assert list(read_directions(follower.root, "toy", 1)) == ["smile"]


def test_given_names_need_no_index(
    three: RemoteModels, tmp_path: Path, lines: list[str], bucket: Bucket
) -> None:
    follower = Follower(three, tmp_path, lines.append, names=["toy"], verify=load_bundle)
    bucket.requests.clear()
    follower.poll(0)
    assert read_release(tmp_path, "toy") == Release(1)
    assert not [line for line in bucket.requests if "models.json" in line]


def test_an_outage_is_logged_once_a_minute_and_changes_nothing(
    follower: Follower, bucket: Bucket, three: RemoteModels, lines: list[str]
) -> None:
    follower.poll(0)
    lines.clear()
    with bucket.only(0, "500 Internal Server Error"):
        for second in range(5, 130, 5):
            follower.poll(second)
    assert len(lines) == 3
    assert read_release(follower.root, "toy") == Release(1)
    release_at(three, "toy", 2)
    follower.poll(135)
    assert read_release(follower.root, "toy") == Release(2, 1)
    assert lines[3] == "toy: version 2 is released; manifest " + (
        three.read_manifest("toy", 2).digest
    )
    assert lines[4].endswith("works again after 130 s")


def test_an_outage_in_the_middle_of_a_copy_is_made_up_for(
    follower: Follower, bucket: Bucket, three: RemoteModels
) -> None:
    follower.poll(0)
    release_at(three, "toy", 2)
    for allowed in range(3):
        with bucket.only(allowed + 1):
            follower.poll(5)
        assert read_release(follower.root, "toy") == Release(1)
        assert list_versions(follower.root, "toy") == [1]
    follower.poll(10)
    assert read_release(follower.root, "toy") == Release(2, 1)


def test_it_is_ready_once_everything_is_there(
    follower: Follower, bucket: Bucket, three: RemoteModels
) -> None:
    assert follower.ready is not None
    with bucket.only(2):
        follower.poll(0)
    assert not follower.ready.exists()
    follower.poll(61)
    assert follower.ready.exists()


def test_an_unsound_version_is_told_of_and_the_other_models_go_on(
    follower: Follower, three: RemoteModels, tmp_path: Path, lines: list[str]
) -> None:
    there = tmp_path / "there"
    make_bundle(there, "zebra")
    push(there, "zebra", 1, three)
    release_at(three, "zebra", 1)
    release_at(three, "toy", 2)
    three.objects.delete([file_name("toy", 2, "golden.npz")])
    for second in (0, 5, 10):
        follower.poll(second)
    assert read_release(follower.root, "zebra") == Release(1)
    assert list_versions(follower.root, "toy") == []
    assert follower.ready is not None
    assert not follower.ready.exists()
    assert len([line for line in lines if line.startswith("toy:")]) == 1


def test_old_versions_here_are_removed(
    three: RemoteModels, tmp_path: Path, lines: list[str]
) -> None:
    follower = Follower(three, tmp_path, lines.append, keep=1, verify=load_bundle)
    for version in (1, 2, 3):
        release_at(three, "toy", version)
        follower.poll(version)
    assert list_versions(tmp_path, "toy") == [2, 3]  # the previous one stays


def test_it_polls_about_every_five_seconds(follower: Follower) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follower.run(5, sleep)
    assert read_release(follower.root, "toy") == Release(1)
    assert all(4 <= seconds <= 6 for seconds in waits)
