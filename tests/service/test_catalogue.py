"""What GET /models tells."""

import threading
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from mirage.service.crowd import SharedCounters
from mirage.service.served import Prepared, prepare
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.service.conftest import ClientOf


def test_all_models_are_listed_released_or_not(client: TestClient) -> None:
    listed = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert list(listed) == ["plain", "rgb", "toy"]
    assert listed["toy"] == {
        "name": "toy",
        "released": 1,
        "versions": [1, 2],
        "default": True,
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
        {"index": 0, "strength": 0.5},
        {"index": 1, "strength": 0.25},
    ]
    assert not version["samples"]
    assert version["card"]


def test_a_model_tells_the_limits_of_requests(client_of: ClientOf) -> None:
    limits = client_of(images_per_request=12, deadline_s=5.0).get("/models/toy").json()["limits"]
    assert (limits["images_per_request"], limits["deadline_s"]) == (12, 5)
    assert (limits["body_bytes"], limits["json_bytes"]) == (2**23, 2**20)
    assert (limits["latent_bound"], limits["direction_bound"]) == (100, 20)


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

    monkeypatch.setattr("mirage.service.memory.prepare", slow)
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
