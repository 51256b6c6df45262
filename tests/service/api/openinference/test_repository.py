"""The configuration of a model and the index of the repository, as Triton answers them."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException

from mirage.bundle.store.release import release
from mirage.service.telemetry.logging import CLIENT_LEFT
from tests.bundles import make_bundle
from tests.service.conftest import ClientOf
from tests.service.helpers.leaving import ask
from tests.service.helpers.server_process import serving

INDEX = "/v2/repository/index"


def entry(name: str, version: int, state: str = "READY", reason: str = "") -> dict[str, str]:
    return {"name": name, "version": str(version), "state": state, "reason": reason}


def index(client: TestClient, **fields: object) -> Any:
    response = client.post(INDEX, json=fields)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_index_lists_all_published_versions(client: TestClient) -> None:
    expected = [entry("plain", 1), entry("rgb", 1), entry("toy", 1), entry("toy", 2)]
    assert index(client) == index(client, ready=True) == index(client, ready=None) == expected
    assert client.post(INDEX).json() == expected


def test_a_client_that_leaves_before_its_body_is_there_is_no_fault(client: TestClient) -> None:
    sent = ask(client, b"{", path=INDEX, kind=b"application/json", leaves_after=0, more_body=True)
    assert sent[0]["status"] == CLIENT_LEFT


def test_a_refused_version_is_unavailable_and_tells_the_reason(
    client_of: ClientOf, tmp_path: Path
) -> None:
    make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    broken = make_bundle(tmp_path, "broken")
    release(tmp_path, "broken", 1)
    (broken / "golden.npz").write_bytes(b"no golden images")
    client = client_of(models=tmp_path, default_model="toy")
    refused = entry("broken", 1, "UNAVAILABLE", "file_size")
    assert index(client) == [refused, entry("toy", 1)]
    assert index(client, ready=True) == [entry("toy", 1)]


@pytest.mark.parametrize("body", ["[]", "7", '{"ready": "yes"}', '{"ready": 1}', "{", "null"])
def test_other_bodies_are_refused(client: TestClient, body: str) -> None:
    response = client.post(INDEX, content=body)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]


def test_large_bodies_are_refused(client_of: ClientOf) -> None:
    client = client_of(json_bytes=100)
    assert client.post(INDEX, content=b" " * 101).status_code == 413


@pytest.mark.parametrize("path", ["/v2/models/toy/config", "/v2/models/toy/versions/2/config"])
def test_the_configuration_tells_tensors_with_their_batch(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {
        "name": "toy",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"specific": {"versions": [1, 2]}},
        "max_batch_size": 0,
        "input": [
            {"name": "latents", "data_type": "TYPE_FP32", "dims": [-1, 5]},
            {"name": "labels", "data_type": "TYPE_INT64", "dims": [-1]},
        ],
        "output": [{"name": "images", "data_type": "TYPE_UINT8", "dims": [-1, 8, 12, 1]}],
        "default_model_filename": "model.onnx",
    }


@pytest.mark.parametrize(
    "path", ["absent/config", "toy/versions/9/config", "toy/versions/x/config"]
)
def test_the_configuration_of_unknown_models_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/v2/models/{path}").status_code == 404


def test_nvidia_s_client_reads_both_and_is_told_that_nothing_is_loaded_by_request(
    models_root: Path,
) -> None:
    with (
        serving(models_root) as process,
        InferenceServerClient(f"127.0.0.1:{process.port}") as triton,
    ):
        names = {each["name"] for each in triton.get_model_repository_index()}
        assert names == {"plain", "rgb", "toy"}
        assert triton.get_model_config("toy", "1")["input"][0]["dims"] == [-1, 5]
        for change in (triton.load_model, triton.unload_model):
            with pytest.raises(InferenceServerException) as caught:
                change("toy")
            assert caught.value.status() == "404"
