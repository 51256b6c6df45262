"""`mirage export --to URL/NAME`, into object storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import open_objects
from mirage.bundle.remote.pull import pull_version
from mirage.bundle.remote.push import push
from mirage.bundle.remote.release import release_at
from mirage.training.__main__ import main
from mirage.training.config import build_config
from mirage.training.runs.loop import train
from tests.bundles import Toy, publish_toy
from tests.object_storage import Bucket, s3_server
from tests.training.helpers.datasets import TINY, shapes_dataset


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("run") / "run", 0.016)


@pytest.fixture
def remote(bucket: Bucket) -> RemoteModels:
    return RemoteModels(open_objects(bucket.url(), retries=0))


def trained(path: Path, kimg: float) -> Path:
    config = build_config("mnist", {**TINY, "kimg": kimg})
    return train(config, shapes_dataset(), path, threads=1).path


def test_a_run_is_published_under_the_next_number_of_the_bucket(
    run: Path, remote: RemoteModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = f"{remote.objects.url}/toy"
    assert main(["export", str(run), "--to", to]) == 0
    assert main(["export", str(run), "--to", f"{to}/"]) == 0  # nothing new
    assert main(["export", str(trained(tmp_path / "next", 0.032)), "--to", to]) == 0
    assert capsys.readouterr().out.split() == [f"{to}/1", f"{to}/1", f"{to}/2"]
    assert remote.list_versions("toy") == [1, 2]
    pull_version(remote, tmp_path / "models", remote.read_manifest("toy", 2))
    manifest = load_bundle(tmp_path / "models" / "toy" / "2").manifest
    assert manifest.description.training.kimg == pytest.approx(0.032)
    assert remote.read_release("toy") is None  # exporting releases nothing


def test_a_bundle_is_published_again_in_the_bucket(
    run: Path, remote: RemoteModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--to", str(tmp_path / "models" / "toy")]) == 0
    bundle = capsys.readouterr().out.strip()
    assert main(["export", bundle, "--to", f"{remote.objects.url}/other"]) == 0
    files = remote.read_manifest("other", 1).manifest.files
    assert files["model.onnx"] == load_bundle(Path(bundle)).manifest.files["model.onnx"]


def test_images_of_another_kind_than_the_released_ones_need_a_name_of_their_own(
    run: Path, remote: RemoteModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_toy(tmp_path / "toys", Toy(labels=(), height=16, width=16))
    push(tmp_path / "toys", "toy", 1, remote)
    release_at(remote, "toy", 1)
    export = ["export", str(run), "--to", f"{remote.objects.url}/toy"]
    assert main(export) == 3
    said = capsys.readouterr().err
    assert "the released toy@1 makes images of 16x16" in said
    assert "pass --allow-other-kind" in said
    assert remote.list_versions("toy") == [1]
    assert main([*export, "--allow-other-kind"]) == 0
    assert remote.list_versions("toy") == [1, 2]


def test_a_url_without_a_name_is_a_usage_error(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--to", "s3://bucket"]) == 2
    assert "without a model's name" in capsys.readouterr().err
