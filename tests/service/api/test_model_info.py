"""The grid of samples and the card of a model."""

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mirage.bundle.format.folder import Folder
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.versions.loading import Prepared, prepare
from tests.bundles import make_bundle, reseal
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import problem


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy 1, released, and 2 with grids; 3 without; 4 with one that is not as it was published."""
    root = tmp_path_factory.mktemp("models")
    for grey in (10, 20, None, 40):
        path = make_bundle(root)
        if grey is not None:
            Image.new("L", (30, 20), grey).save(path / "samples.png")
            reseal(path)
    (root / "toy" / "4" / "samples.png").write_bytes(b"another")
    release(root, "toy", 1)
    return root


@pytest.fixture(scope="module")
def gallery(root: Path) -> Iterator[TestClient]:
    app = create_app(Settings(models=root, threads=1, encode_threads=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def grey(raw: bytes) -> object:
    with Image.open(io.BytesIO(raw)) as image:
        return image.getpixel((0, 0))


def test_the_released_version_shows_its_samples_and_may_change(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/samples")
    assert (response.status_code, grey(response.content)) == (200, 10)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-model"] == "toy@1"
    assert response.headers["cache-control"] == "no-cache"


def test_a_version_by_number_never_changes_and_is_not_loaded(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/samples?version=2")
    assert grey(response.content) == 20
    assert "immutable" in response.headers["cache-control"]
    assert [loaded["version"] for loaded in gallery.get("/models/toy").json()["loaded"]] == [1]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_it_does_not_get_it_again(gallery: TestClient, form: str) -> None:
    etag = gallery.get("/models/toy/samples").headers["etag"]
    headers = {"if-none-match": form.format(etag)}
    response = gallery.get("/models/toy/samples", headers=headers)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert gallery.get("/models/toy/samples?version=2", headers=headers).status_code == (
        304 if form == "*" else 200
    )


def test_a_version_without_samples_has_none(gallery: TestClient) -> None:
    found = problem(gallery.get("/models/toy/samples?version=3"), 404, "not-found")
    assert found["detail"] == "toy@3 has no samples.png"


@pytest.mark.parametrize("path", ["absent/samples", "toy/samples?version=9", "%2e%2e/samples"])
def test_what_is_not_published_is_not_found(gallery: TestClient, path: str) -> None:
    assert gallery.get(f"/models/{path}").status_code == 404


def test_samples_that_are_not_the_published_ones_are_refused(gallery: TestClient) -> None:
    found = problem(gallery.get("/models/toy/samples?version=4"), 503, "model-refused")
    assert found["detail"].endswith("file_size")


@pytest.mark.parametrize("version", ["0", "one", "1.5", "9" * 5000])
def test_a_version_that_is_no_number_is_a_bad_value(gallery: TestClient, version: str) -> None:
    found = problem(
        gallery.get("/models/toy/samples", params={"version": version}), 422, "invalid-value"
    )
    assert "version" in found["detail"]


def test_the_card_is_text_of_the_version(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/card?version=2")
    assert (response.status_code, response.text) == (200, "# A toy\n")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["x-model"] == "toy@2"
    assert "immutable" in response.headers["cache-control"]


def test_a_file_is_not_hashed_for_each_who_asks(
    gallery: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gallery.get("/models/toy/samples").content
    monkeypatch.delattr(Folder, "scan")
    assert gallery.get("/models/toy/samples").content == first


def test_all_models_are_listed_released_or_not(client: TestClient) -> None:
    listed = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert list(listed) == ["plain", "rgb", "toy"]
    assert listed["toy"] == {
        "name": "toy",
        "released": 1,
        "versions": [1, 2],
        "default": True,
        "task": "generate",
        "output": "images",
        "scale": None,
        "canary": None,
        "loading": None,
        "refused": None,
        "storage_error": None,
    }
    assert listed["rgb"]["released"] is None
    assert not listed["plain"]["default"]


def test_a_model_is_described_with_all_that_its_bytes_depend_on(client_of: ClientOf) -> None:
    client = client_of()
    model = client.get("/models/toy").json()
    assert model["runtime"]["provider"] == "cpu"
    assert model["runtime"]["precision"] == "float32"
    assert model["runtime"]["onnxruntime"] == onnxruntime.__version__
    assert model["runtime"]["instruction_set"]
    assert model["runtime"]["mirage"] == metadata.version("mirage-gan")
    (version,) = model["loaded"]
    assert version["version"] == 1
    assert version["latent_dim"] == 5
    assert version["labels"] == list("0123456789")
    assert version["image"] == {"height": 8, "width": 12, "channels": 1}
    assert len(version["sha256"]) == 64
    assert version["scores"]["frechet"]["floor"] == 0.5
    assert version["training"]["preset"] == "toy"
    assert version["directions"] == [
        {"index": 0, "name": None, "strength": 0.5},
        {"index": 1, "name": None, "strength": 0.25},
    ]
    assert not version["samples"]
    assert version["card"]


def test_a_model_tells_the_limits_of_requests(client_of: ClientOf) -> None:
    limits = client_of(images_per_request=12, deadline_s=5.0).get("/models/toy").json()["limits"]
    assert (limits["images_per_request"], limits["deadline_s"]) == (12, 5)
    assert (limits["body_bytes"], limits["json_bytes"]) == (2**23, 2**20)
    assert (limits["latent_bound"], limits["direction_bound"]) == (100, 10)


def test_versions_that_were_asked_for_are_described_too(client_of: ClientOf) -> None:
    client = client_of()
    assert client.get("/models/rgb").json()["loaded"] == []
    client.post("/generate", json={"model": "rgb", "version": 1})
    (version,) = client.get("/models/rgb").json()["loaded"]
    assert version["labels"] == ["3", "cat", "a b"]


def test_a_model_that_is_not_there_is_not_found(client: TestClient) -> None:
    for name in ("absent", "TOY", ".hidden", "%2e%2e", "a" * 500):
        response = client.get(f"/models/{name}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_a_refused_release_is_told_with_its_reason_alone(
    tmp_path: Path, client_of: ClientOf
) -> None:
    make_bundle(tmp_path)
    make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    (tmp_path / "toy/2/model.onnx").write_bytes(b"broken")
    (tmp_path / "toy/release.json").write_text(
        '{"version": 1, "canary": {"version": 2, "share": 0.5}}'
    )
    model = client_of(models=tmp_path).get("/models/toy").json()
    since = datetime.fromisoformat(model["refused"].pop("since"))
    assert datetime.now(UTC) - since < timedelta(minutes=10)
    assert model["refused"] == {"version": 2, "canary": True, "reason": "file_size"}
    assert (model["released"], model["canary"], model["loading"]) == (1, None, None)


def test_a_version_that_is_being_loaded_is_told(
    tmp_path: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(tmp_path)
    make_bundle(tmp_path, seed=1)
    release(tmp_path, "toy", 1)
    client = client_of(models=tmp_path, release_poll_s=1e-3)
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path, settings: Settings, counters: SharedCounters | None) -> Prepared:
        begun.set()
        go_on.wait()
        return prepare(path, settings, counters)

    monkeypatch.setattr("mirage.service.versions.cache.prepare", slow)
    release(tmp_path, "toy", 2)
    assert begun.wait(60)
    try:
        model = client.get("/models/toy").json()
        assert (model["released"], model["loading"]) == (1, 2)
        text = client.get("/metrics").text
        assert 'mirage_model_loading{model="toy",version="2"} 1.0' in text
        assert client.post("/generate").headers["x-model"] == "toy@1", "it serves meanwhile"
    finally:
        go_on.set()
    while client.get("/models/toy").json()["released"] == 1:
        pass
    assert client.get("/models/toy").json()["loading"] is None
    text = client.get("/metrics").text
    assert 'mirage_model_loading{model="toy",version="2"} 0.0' in text


@pytest.mark.parametrize("leaves_an_empty_folder", [False, True])
def test_what_serves_is_listed_when_the_folder_is_unmounted(
    tmp_path: Path, client_of: ClientOf, leaves_an_empty_folder: bool
) -> None:
    root = tmp_path / "models"
    make_bundle(root, "other")
    make_bundle(root)
    make_bundle(root, seed=1)
    release(root, "toy", 2)
    client = client_of(models=root)
    assert client.get("/models").json()["storage_error"] is None
    root.rename(tmp_path / "elsewhere")
    if leaves_an_empty_folder:
        root.mkdir()
    answer = client.get("/models")
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["storage_error"] == (None if leaves_an_empty_folder else "not_found")
    (toy,) = listed["models"]
    assert (toy["name"], toy["released"], toy["versions"]) == ("toy", 2, [2])
    assert toy["storage_error"] == "not_found"
    described = client.get("/models/toy").json()
    assert [version["version"] for version in described["loaded"]] == [2]
    assert client.get("/v2/models/toy").json()["versions"] == ["2"]
    assert client.post("/generate", json={"seed": 1}).headers["x-model"] == "toy@2"
    for path in ("/models/toy/samples", "/v2/models/toy/versions/1"):
        assert client.get(path).status_code == 503, "nobody can tell that it does not exist"
    unknown = client.get("/models/other").status_code
    assert unknown == (404 if leaves_an_empty_folder else 503)
