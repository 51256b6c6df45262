"""Images drawn in this process have the bytes of those that the service answers with."""

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.manifest import Member
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.drawing.local_generator import LocalGenerator, open_generator
from mirage.service.errors import StartError
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.generators import MADE, publish_generator
from tests.upscalers import make_upscaler


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy: 1 and 2, and 3 made of both, 1 is released; plain has no classes; larger enlarges."""
    root = tmp_path_factory.mktemp("models")
    make_bundle(root, "toy")
    make_bundle(root, "toy", seed=1)
    publish_ensemble(root, "toy", [Member(version=v, weight=1.0) for v in (1, 2)])
    make_bundle(root, "plain", labels=(), channels=4)
    make_bundle(root, "unreleased")
    make_upscaler(root)
    for name in ("toy", "plain", "larger"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=root, default_model="toy", threads=1))) as client:
        yield client


def opened(root: Path, name: str, version: int | None = None) -> LocalGenerator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRAGE_LANES", "2")
        patch.setenv("MIRAGE_MAX_BATCH_SIZE", "8")
        return open_generator(root, name, version)


def drawn(root: Path, name: str, version: int | None, *arguments: object) -> list[bytes]:
    generator = opened(root, name, version)
    try:
        return list(generator.draw(*arguments))  # type: ignore[arg-type]
    finally:
        generator.close()


def served(client: TestClient, **fields: object) -> list[bytes]:
    answer = client.post("/generate", json=fields, headers={"accept": "application/zip"})
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return [archive.read(name) for name in archive.namelist()]


@pytest.mark.parametrize("version", [1, 2, 3], ids=["released", "unreleased", "ensemble"])
def test_the_bytes_are_those_of_the_service(root: Path, client: TestClient, version: int) -> None:
    fields = {"model": "toy", "version": version, "seed": 7, "index": 5, "count": 61}
    assert drawn(root, "toy", version, 7, range(5, 66)) == served(client, **fields)


def test_labels_and_truncation_are_those_of_the_service(root: Path, client: TestClient) -> None:
    labels = [index % 10 for index in range(30)]
    expected = served(client, model="toy", seed=7, labels=labels, truncation=0.5)
    assert drawn(root, "toy", None, 7, range(30), np.array(labels), 0.5) == expected


def test_a_model_without_classes_takes_no_labels(root: Path, client: TestClient) -> None:
    expected = served(client, model="plain", seed=8, count=20)
    assert drawn(root, "plain", None, 8, range(20)) == expected


def test_it_describes_itself_as_the_service_does(root: Path, client: TestClient) -> None:
    generator = opened(root, "toy", 3)
    generator.close()
    client.post("/generate", json={"model": "toy", "version": 3})
    model = client.get("/models/toy").json()
    assert generator.runtime == model["runtime"]
    (version,) = [found for found in model["loaded"] if found["version"] == 3]
    assert generator.sha256 == version["sha256"]


def test_an_abandoned_drawing_ends_its_threads(root: Path) -> None:
    generator = opened(root, "toy")
    images = generator.draw(7, range(10**6))
    assert next(images)[:4] == b"\x89PNG"
    images.close()  # type: ignore[attr-defined]
    generator.close()


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("unreleased", None, "no version of unreleased is released"),
        ("absent", None, "absent"),
        ("toy", 9, "9"),
        ("larger", None, "model is larger, whose task is upscale, not generate"),
        (None, None, "those in .* that make images are: plain, toy"),
    ],
)
def test_says_why_a_model_cannot_draw(
    root: Path, name: str | None, version: int | None, reason: str
) -> None:
    with pytest.raises(StartError, match=reason):
        open_generator(root, name, version)


def test_a_broken_bundle_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "plain", tmp_path / "plain")
    (tmp_path / "plain/1/model.onnx").write_bytes(b"no graph")
    with pytest.raises(StartError, match=r"model\.onnx"):
        open_generator(tmp_path, "plain")


@pytest.mark.parametrize("made", MADE)
def test_other_outputs_have_the_bytes_of_the_service(tmp_path: Path, made: OutputMeaning) -> None:
    publish_generator(tmp_path, MADE[made], "other")
    release(tmp_path, "other", 1)
    with TestClient(create_app(Settings(models=tmp_path, threads=1))) as client:
        body = {"seed": 7, "count": 10}
        zipped = client.post("/generate", json=body, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        served = [archive.read(name) for name in archive.namelist()]
    assert drawn(tmp_path, "other", 1, 7, range(10)) == served
