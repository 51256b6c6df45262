"""Models that enlarge pictures, through the protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.service.helpers.pictures import noise
from tests.upscalers import ToyUpscaler, make_upscaler

INFER = "/v2/models/larger/infer"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root: Path = tmp_path_factory.mktemp("models")
    make_upscaler(root)
    make_upscaler(root, "styled", ToyUpscaler(scale=1, task="translate", multiple=4))
    for name in ("larger", "styled"):
        release(root, name, 1)
    settings = Settings(models=root, threads=1, tile=16, megapixels_per_request=0.02)
    with TestClient(create_app(settings)) as client:
        yield client


def tensor(pictures: np.ndarray, **changes: Any) -> dict[str, Any]:
    data = pictures.ravel().tolist()
    described = {"name": "pictures", "datatype": "UINT8", "shape": list(pictures.shape)}
    return {"inputs": [{**described, "data": data, **changes}]}


def test_the_model_tells_its_free_sizes(client: TestClient) -> None:
    found = client.get("/v2/models/larger").json()
    assert found["inputs"] == [{"name": "pictures", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert found["outputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]


def test_pictures_come_back_larger_flat_nested_or_binary(client: TestClient) -> None:
    pictures = noise(2, 5, 7, 3)
    expected = ToyUpscaler().images(pictures)
    for changes in ({}, {"data": pictures.tolist()}):
        (output,) = client.post(INFER, json=tensor(pictures, **changes)).json()["outputs"]
        assert output["shape"] == [2, 10, 14, 3]
        found = np.array(output["data"]).reshape(expected.shape)
        assert np.abs(found - expected.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (tensor(noise(1, 4, 4, 4)), "[1, -1, -1, 3] is allowed"),
        (tensor(noise(1, 4, 4, 3), shape=[1, 0, 4, 3]), "[1, -1, -1, 3] is allowed"),
        (tensor(noise(1, 4, 4, 3), shape=[1, 4, 4]), "[1, -1, -1, 3] is allowed"),
        (tensor(noise(1, 4, 4, 3), shape=[0, 4, 4, 3]), "[n, H, W, C] with n ≥ 1"),
        (tensor(noise(1, 4, 4, 3), datatype="FP32"), "UINT8 is allowed"),
        (tensor(noise(1, 4, 4, 3), data=[256] * 48), "beyond UINT8"),
        (tensor(noise(1, 4, 4, 3), data=[1.5] * 48), "other than numbers of UINT8"),
        (tensor(noise(1, 4, 4, 3), data=[[[1, 2, 3]]]), "not nested as shape"),
        (tensor(noise(1, 17, 16, 3)), "up to 256 pixels"),
        (tensor(noise(1, 17, 16, 3)), "/upscale takes others"),
        (tensor(noise(1, 4, 4, 3), shape=[300, 1, 1, 3]), "at most 256"),
        (tensor(noise(1, 4, 4, 3), shape=[30, 16, 16, 3]), "at most 0.02"),
        (tensor(noise(1, 4, 4, 3), name="latents"), "the model takes pictures"),
    ],
)
def test_what_does_not_fit_is_told(client: TestClient, body: dict[str, Any], words: str) -> None:
    response = client.post(INFER, json=body)
    assert response.status_code == 400
    assert words in response.json()["error"]


def test_the_route_that_takes_other_sizes_is_that_of_the_task(client: TestClient) -> None:
    response = client.post("/v2/models/styled/infer", json=tensor(noise(1, 7, 7, 3)))
    assert response.status_code == 400
    assert response.json()["error"].endswith("/translate takes others")
