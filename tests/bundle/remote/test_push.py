import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.pull import pull_version
from mirage.bundle.remote.push import push, push_next
from mirage.bundle.store.directions import add_direction
from mirage.bundle.store.members import verify_version
from mirage.bundle.store.publish import publish_ensemble
from tests.bundles import reseal
from tests.object_storage import Bucket


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    return caught.value.reason


def requests_of(bucket: Bucket, call: Callable[[], object]) -> list[str]:
    bucket.requests.clear()
    call()
    return list(bucket.requests)


def test_the_number_comes_first_and_the_manifest_last(
    here: Path, remote: RemoteModels, bucket: Bucket
) -> None:
    made = requests_of(bucket, lambda: push(here, "toy", 1, remote))
    writes = [line.rsplit("/", 1)[-1] for line in made if line.startswith("PUT")]
    assert writes[0] == ".claim"
    assert writes[-1] == "manifest.json"
    assert {"model.onnx", "golden.npz"} <= set(writes[1:-1])
    assert remote.list_versions("toy") == [1]


def test_a_repeat_writes_nothing(here: Path, remote: RemoteModels, bucket: Bucket) -> None:
    first = push(here, "toy", 1, remote)
    bucket.requests.clear()
    again = push(here, "toy", 1, remote)
    assert again.repeated
    assert again.digest == first.digest
    assert [line for line in bucket.requests if not line.startswith("GET")] == []


def test_another_bundle_does_not_take_the_number(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    other = _renumbered(here, tmp_path, 2, 1)
    push(here, "toy", 1, remote)
    assert reason_of(lambda: push(other, "toy", 1, remote)) == "version_exists"
    assert remote.read_manifest("toy", 1).contents == _manifest(here, 1)


def test_another_bundle_does_not_take_a_reserved_number(
    here: Path, remote: RemoteModels, bucket: Bucket, tmp_path: Path
) -> None:
    with bucket.only(3):
        assert reason_of(lambda: push(here, "toy", 1, remote)) == "remote_denied"
    other = _renumbered(here, tmp_path, 2, 1)
    assert reason_of(lambda: push(other, "toy", 1, remote)) == "version_exists"


@pytest.mark.parametrize("arrives", [False, True])
def test_a_push_that_ends_after_any_request_shows_nothing_and_goes_on(
    here: Path, remote: RemoteModels, bucket: Bucket, tmp_path: Path, arrives: bool
) -> None:
    """The request after the last may still arrive, its answer lost."""
    ended = 0
    while True:
        with bucket.only(ended, after=arrives):
            try:
                push(here, "toy", 1, remote)
            except BundleError as error:
                reason = error.reason
            else:
                break
        assert reason == "remote_denied"
        versions = remote.list_versions("toy")
        for version in versions:  # at most the one whose last answer was lost, and whole
            pull_version(remote, tmp_path / str(ended), remote.read_manifest("toy", version))
        assert versions == [] or arrives
        ended += 1
        remote.objects.delete([entry.name for entry in remote.objects.entries("toy")])
    assert ended >= 5


def test_an_interrupted_push_goes_on_where_it_ended(
    here: Path, remote: RemoteModels, bucket: Bucket, tmp_path: Path
) -> None:
    total = len(requests_of(bucket, lambda: push(here, "toy", 2, remote)))
    with bucket.only(total - 1):
        assert reason_of(lambda: push(here, "toy", 1, remote)) == "remote_denied"
    assert remote.list_versions("toy") == [2]
    resumed = requests_of(bucket, lambda: push(here, "toy", 1, remote))
    written = [line.rsplit("/", 1)[-1] for line in resumed if line.startswith("PUT")]
    assert written == [".claim", "manifest.json"]  # the claim in vain: it is there
    pull_version(remote, tmp_path, remote.read_manifest("toy", 1))


def test_racing_publishers_get_different_numbers(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(6) as pool:
        pushed = list(pool.map(lambda _: push_next(here, "toy", 1, remote), range(6)))
    numbers = sorted(copy.version for copy in pushed)
    assert len(set(numbers)) == 6
    assert remote.list_versions("toy") == numbers
    for copy in pushed:
        found = remote.read_manifest("toy", copy.version)
        assert found.digest == copy.digest
        pull_version(remote, tmp_path, found)


def test_the_card_of_a_new_number_has_a_title_that_says_so(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    path = here / "toy" / "1"
    (path / "README.md").write_text("# toy@1\n\ntoy@1 is a toy\n", encoding="utf-8")
    reseal(path)
    remote.objects.create("toy/7/.claim", b"{}")
    push_next(here, "toy", 1, remote)
    pull_version(remote, tmp_path, remote.read_manifest("toy", 8))
    assert (tmp_path / "toy" / "8" / "README.md").read_text() == "# toy@8\n\ntoy@1 is a toy\n"
    assert verify_version(tmp_path / "toy" / "8").version == 8


def test_a_lost_answer_to_the_card_is_repeated(
    here: Path, remote: RemoteModels, bucket: Bucket
) -> None:
    from mirage.bundle.remote.objects import open_objects

    patient = RemoteModels(open_objects(remote.objects.url, retries=2))
    requests = requests_of(bucket, lambda: push_next(here, "toy", 1, remote))
    card = next(n for n, line in enumerate(requests, 1) if line.endswith("/README.md"))
    with bucket.only(card, "503 Slow Down", after=True, times=1):
        assert push_next(here, "toy", 1, patient).version == 2


def test_a_card_that_is_no_text_is_pushed_as_it_is(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    path = here / "toy" / "1"
    (path / "README.md").write_bytes(b"# toy@1\n\xff\xfe\n")
    reseal(path)
    number = push_next(here, "toy", 1, remote).version
    pull_version(remote, tmp_path, remote.read_manifest("toy", number))
    found = (tmp_path / "toy" / str(number) / "README.md").read_bytes()
    assert found == f"# toy@{number}\n".encode() + b"\xff\xfe\n"


def test_racing_pushes_of_one_bundle_make_one_version(here: Path, remote: RemoteModels) -> None:
    with ThreadPoolExecutor(4) as pool:
        pushed = list(pool.map(lambda _: push(here, "toy", 3, remote), range(4)))
    assert {copy.digest for copy in pushed} == {remote.read_manifest("toy", 3).digest}


def test_a_lost_answer_to_the_reservation_does_not_cost_a_number(
    here: Path, remote: RemoteModels, bucket: Bucket
) -> None:
    """The client tries again, and then finds its own claim."""
    from mirage.bundle.remote.objects import open_objects

    patient = RemoteModels(open_objects(remote.objects.url, retries=2))
    with bucket.only(2, "503 Slow Down", after=True, times=1):
        assert push_next(here, "toy", 1, patient).version == 1


def test_the_next_number_is_above_all_that_are_reserved_or_named(
    here: Path, remote: RemoteModels
) -> None:
    remote.objects.create("toy/7/.claim", b"{}")
    assert push_next(here, "toy", 1, remote).version == 8
    remote.objects.create("toy/release.json", b'{"version": 11, "previous": 2}')
    assert push_next(here, "toy", 1, remote).version == 12


def test_an_unsound_version_stays_here(here: Path, remote: RemoteModels, tmp_path: Path) -> None:
    root = tmp_path / "models"
    copytree(here, root)
    (root / "toy" / "1" / "golden.npz").write_bytes(b"damaged")
    assert reason_of(lambda: push(root, "toy", 1, remote)) == "file_size"
    assert remote.objects.entries("toy") == []


def test_names_of_directions_travel_and_are_replaced(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    root, there = tmp_path / "here", tmp_path / "there"
    copytree(here, root)
    add_direction(root, "toy", 1, "smile", 0)
    push(root, "toy", 1, remote)
    add_direction(root, "toy", 1, "age", 1)
    assert push(root, "toy", 1, remote).repeated
    pull_version(remote, there, remote.read_manifest("toy", 1))
    file = "directions-1.json"
    assert (there / "toy" / file).read_bytes() == (root / "toy" / file).read_bytes()


def test_members_of_an_ensemble_come_first(
    here: Path, remote: RemoteModels, tmp_path: Path
) -> None:
    root = tmp_path / "here"
    copytree(here, root)
    members = (Member(version=1, weight=1), Member(version=2, weight=1))
    version = int(publish_ensemble(root, "toy", members).name)
    push(root, "toy", 1, remote)
    assert reason_of(lambda: push(root, "toy", version, remote)) == "members_invalid"
    push(root, "toy", 2, remote)
    push(root, "toy", version, remote)
    assert reason_of(lambda: push_next(root, "toy", version, remote)) == "ensemble"
    pull_version(remote, tmp_path / "there", remote.read_manifest("toy", version))
    copied = sorted(path.name for path in (tmp_path / "there" / "toy").glob("[0-9]*"))
    assert copied == ["1", "2", str(version)]


def _manifest(root: Path, version: int) -> bytes:
    return (root / "toy" / str(version) / "manifest.json").read_bytes()


def _renumbered(root: Path, target: Path, version: int, number: int) -> Path:
    """A folder of models with one version under another number."""
    path = target / "toy" / str(number)
    copytree(root / "toy" / str(version), path)
    fields = json.loads((path / "manifest.json").read_bytes()) | {"version": number}
    (path / "manifest.json").write_text(json.dumps(fields))
    return target
