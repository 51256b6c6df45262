from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import open_objects
from mirage.bundle.remote.pull import pull
from mirage.bundle.remote.push import push
from mirage.bundle.remote.release import release_at
from mirage.bundle.store.release import Release
from mirage.training.errors import DataError, UsageError
from mirage.training.publish.destination import open_destination
from mirage.training.retrain import Job, retrain
from tests.bundles import Toy, publish_toy
from tests.object_storage import Bucket, s3_server
from tests.training.helpers.jobs import make_job


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_server() as running:
        yield running


@pytest.fixture
def remote(bucket: Bucket) -> RemoteModels:
    return RemoteModels(open_objects(bucket.url(), retries=0))


@pytest.fixture
def job(tmp_path: Path, remote: RemoteModels, monkeypatch: pytest.MonkeyPatch) -> Job:
    """One step, and a gate that lets everything pass, published into the bucket."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    few = {"kimg": 0.008, "checkpoint_kimg": 0.008}
    return replace(make_job(tmp_path, few), to=f"{remote.objects.url}/toy", release=True)


def test_what_passes_is_published_and_released_in_the_bucket(
    job: Job, remote: RemoteModels, bucket: Bucket, tmp_path: Path
) -> None:
    result = retrain(job)
    assert (result.model, result.outcome, result.version) == ("toy", "released", 1)
    pulled = pull(remote, tmp_path / "there", "toy")
    assert pulled is not None
    assert pulled.release == Release(1)
    manifest = load_bundle(tmp_path / "there" / "toy" / "1").manifest
    assert manifest.files["model.onnx"].sha256 == result.model_sha256
    assert retrain(job) == result.model_copy(update={"repeated": True})
    assert remote.list_versions("toy") == [1]
    with bucket.only(0):  # nothing of the storage is needed to say that it is not there
        assert _reason(job) == "remote_denied"


def test_a_job_that_ended_while_it_published_goes_on(
    job: Job, remote: RemoteModels, bucket: Bucket
) -> None:
    """Whether its last request arrived or not, there is one version at the end."""
    retrain(replace(job, release=False))
    published = remote.entries("toy")[1]
    remote.objects.delete([entry.name for entry in published if "claim" not in entry.name])
    result = retrain(job)
    assert (result.outcome, result.version) == ("released", 2)  # number 1 stays reserved
    assert retrain(job).repeated
    assert remote.list_versions("toy") == [2]


def test_the_released_version_of_the_bucket_is_compared_with(
    job: Job, remote: RemoteModels, tmp_path: Path
) -> None:
    toy = Toy(labels=("left", "right"), height=8, width=8)
    publish_toy(tmp_path / "toys", toy)
    push(tmp_path / "toys", "toy", 1, remote)
    release_at(remote, "toy", 1)
    result = retrain(job)
    assert (result.released_version, result.version) == (1, 2)
    found = remote.read_release("toy")
    assert found is not None
    assert found.release == Release(2, 1)


def test_a_model_of_another_kind_is_refused_before_training(
    job: Job, remote: RemoteModels, tmp_path: Path
) -> None:
    publish_toy(tmp_path / "toys", Toy(labels=(), height=16, width=16))
    push(tmp_path / "toys", "toy", 1, remote)
    release_at(remote, "toy", 1)
    with pytest.raises(DataError, match="a name of its own"):
        retrain(job)


def test_a_url_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="without a model's name"):
        open_destination("s3://bucket", tmp_path)


def _reason(job: Job) -> str:
    with pytest.raises(BundleError) as caught:
        retrain(job)
    return caught.value.reason
