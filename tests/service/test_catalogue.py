"""What GET /models tells."""

import onnxruntime
from starlette.testclient import TestClient

from tests.service.conftest import ClientOf


def test_all_models_are_listed_released_or_not(client: TestClient) -> None:
    listed = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert list(listed) == ["plain", "rgb", "toy"]
    assert listed["toy"] == {"name": "toy", "released": 1, "versions": [1, 2], "default": True}
    assert listed["rgb"]["released"] is None
    assert not listed["plain"]["default"]


def test_a_model_is_described_with_all_that_its_bytes_depend_on(client_of: ClientOf) -> None:
    client = client_of()
    model = client.get("/models/toy").json()
    assert model["runtime"]["provider"] == "cpu"
    assert model["runtime"]["precision"] == "float32"
    assert model["runtime"]["onnxruntime"] == onnxruntime.__version__
    assert model["runtime"]["instruction_set"]
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
