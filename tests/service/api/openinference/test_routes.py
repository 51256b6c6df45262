"""The protocol over HTTP, in this process."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import Toy, make_bundle
from tests.service.api.openinference.requests import (
    LABELS,
    LATENTS,
    LENGTH,
    binary,
    error,
    images,
    labels,
    latents,
    post,
    wanted,
)
from tests.service.conftest import ClientOf

PATIENCE_S = 20
EXPECTED = Toy().images(LATENTS, LABELS)
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v2/models/toy/infer",
    "query_string": b"",
    "client": ("127.0.0.1", 1),
}
ALL_BINARY: dict[str, Any] = {"parameters": {"binary_data_output": True}}


def test_the_server_describes_itself(client: TestClient) -> None:
    answer = client.get("/v2").json()
    assert answer["name"] == "mirage"
    assert answer["version"]
    assert answer["extensions"] == ["binary_tensor_data"]


def test_alive_and_ready(client: TestClient) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/toy/ready").json() == {"name": "toy", "ready": True}
    assert client.head("/v2/health/ready").status_code == 200


def test_before_its_models_are_loaded_it_is_alive_and_not_ready(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    assert client.get("/v2/health/live").status_code == 200
    for response in (
        client.get("/v2/health/ready"),
        client.get("/v2/models/toy/ready"),
        post(client, wanted()),
    ):
        error(response, 503)
        assert int(response.headers["retry-after"]) >= 1


def test_while_it_stops_it_is_not_ready(client_of: ClientOf) -> None:
    client = client_of()
    assert isinstance(client.app, FastAPI)
    client.app.state.service.draining = True
    error(client.get("/v2/health/ready"), 503)
    error(client.get("/v2/models/toy/ready"), 503)
    assert post(client, wanted()).status_code == 200


def test_a_model_tells_its_tensors(client: TestClient) -> None:
    assert client.get("/v2/models/toy").json() == {
        "name": "toy",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "latents", "datatype": "FP32", "shape": [-1, 5]},
            {"name": "labels", "datatype": "INT64", "shape": [-1]},
        ],
        "outputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 12, 1]}],
    }


def test_a_model_without_classes_takes_latents_alone(client: TestClient) -> None:
    inputs = client.get("/v2/models/plain").json()["inputs"]
    assert inputs == [{"name": "latents", "datatype": "FP32", "shape": [-1, 5]}]
    made = images(post(client, {"inputs": [latents()]}, model="plain"))
    np.testing.assert_array_equal(made, Toy(labels=(), channels=4).images(LATENTS))
    assert "latents, each once" in error(post(client, wanted(), model="plain"), 400)


def test_versions_stand_in_the_path(client: TestClient) -> None:
    second = Toy(seed=1).images(LATENTS, LABELS)
    made = post(client, wanted(), model="toy/versions/2")
    np.testing.assert_array_equal(images(made), second)
    assert made.json()["model_version"] == "2"
    assert client.get("/v2/models/toy/versions/2/ready").status_code == 200
    assert client.get("/v2/models/rgb/versions/1").json()["name"] == "rgb"


def test_a_version_is_described_without_being_loaded(
    client_of: ClientOf,
) -> None:
    client = client_of()
    for path in ("", "/ready"):
        assert client.get(f"/v2/models/toy/versions/2{path}").status_code == 200
    (loaded,) = client.get("/models/toy").json()["loaded"]
    assert loaded["version"] == 1


def test_a_version_that_was_refused_is_not_ready(client_of: ClientOf, tmp_path: Path) -> None:
    make_bundle(tmp_path)
    broken = make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    (broken / "model.onnx").write_bytes(b"broken")
    client = client_of(models=tmp_path)
    error(post(client, wanted(), model="toy/versions/2"), 503)
    error(client.get("/v2/models/toy/versions/2/ready"), 503)
    (broken / "manifest.json").write_bytes(b"broken")
    error(client.get("/v2/models/toy/versions/2"), 503)


def test_unreleased_models_are_reached_by_version_alone(client: TestClient) -> None:
    error(client.get("/v2/models/rgb"), 404)
    error(post(client, wanted(), model="rgb"), 404)


@pytest.mark.parametrize("version", ["0", "01", "3", "-1", "1.0", "latest", "1" * 40, "٣"])
def test_unknown_versions_are_not_found(client: TestClient, version: str) -> None:
    for path in ("", "/ready"):
        error(client.get(f"/v2/models/toy/versions/{version}{path}"), 404)
    error(post(client, wanted(), model=f"toy/versions/{version}"), 404)


@pytest.mark.parametrize("name", ["absent", "TOY", ".hidden", "a%2Fb", "%00"])
def test_unknown_models_are_not_found(client: TestClient, name: str) -> None:
    for path in ("", "/ready"):
        error(client.get(f"/v2/models/{name}{path}"), 404)
    error(post(client, wanted(), model=name), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/models/toy/load",
        "/v2/repository/models/toy/unload",
        "/v2/systemsharedmemory/status",
        "/v2/cudasharedmemory/region/x/register",
        "/v2/models/toy/stats",
        "/v2/trace/setting",
        "/v2/",
        "/v2/nowhere",
    ],
)
def test_what_the_service_does_not_have_is_not_found(client: TestClient, path: str) -> None:
    error(client.get(path), 404)
    error(client.post(path), 404)


def test_other_methods_are_refused_with_those_that_are_allowed(client: TestClient) -> None:
    response = client.get("/v2/models/toy/infer")
    error(response, 405)
    assert response.headers["allow"] == "OPTIONS, POST"
    error(client.post("/v2"), 405)
    error(client.get("/v2/repository/index"), 405)


@pytest.mark.parametrize("nested", [False, True])
def test_json_in_and_out(client: TestClient, nested: bool) -> None:
    data = LATENTS.tolist() if nested else LATENTS.ravel().tolist()
    response = post(client, {"inputs": [latents(data=data), labels()]})
    np.testing.assert_array_equal(images(response), EXPECTED)
    assert response.headers["vary"] == "Accept-Encoding"


def test_binary_in_and_out(client: TestClient) -> None:
    response = post(client, *binary(wanted(**ALL_BINARY), LATENTS, LABELS))
    np.testing.assert_array_equal(images(response), EXPECTED)
    assert LENGTH in response.headers


def test_one_input_in_the_json_and_one_behind_it(client: TestClient) -> None:
    body, headers = binary({"inputs": [labels()]}, LABELS)
    length = int(headers[LENGTH])
    text = body[:length].replace(b'"inputs": [', b'"inputs": [LATENTS, ')
    text = text.replace(b"LATENTS", str(latents()).replace("'", '"').encode())
    response = post(client, text + body[length:], {LENGTH: str(len(text))})
    np.testing.assert_array_equal(images(response), EXPECTED)


def test_inputs_come_in_any_order(client: TestClient) -> None:
    fields = {"inputs": [labels(), latents()]}
    np.testing.assert_array_equal(images(post(client, fields)), EXPECTED)
    response = post(client, *binary(fields, LABELS, LATENTS))
    np.testing.assert_array_equal(images(response), EXPECTED)


@pytest.mark.parametrize("padding", range(8))
def test_where_the_json_ends_does_not_matter(client: TestClient, padding: int) -> None:
    body, headers = binary(wanted(id="x" * padding), LATENTS, LABELS)
    np.testing.assert_array_equal(images(post(client, body, headers)), EXPECTED)


@pytest.mark.parametrize(
    ("all_binary", "own", "expected"),
    [(None, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_an_output_overrides_what_all_outputs_are(
    client: TestClient, all_binary: bool | None, own: bool | None, expected: bool
) -> None:
    fields = wanted(outputs=[{"name": "images"}])
    if all_binary is not None:
        fields["parameters"] = {"binary_data_output": all_binary}
    if own is not None:
        fields["outputs"][0]["parameters"] = {"binary_data": own}
    response = post(client, fields)
    assert (LENGTH in response.headers) is expected
    np.testing.assert_array_equal(images(response), EXPECTED)


def test_the_id_comes_back(client: TestClient) -> None:
    assert post(client, wanted(id="ä 42")).json()["id"] == "ä 42"
    assert "id" not in post(client, wanted()).json()


def test_parameters_of_other_servers_are_passed_over(client: TestClient) -> None:
    fields = wanted(parameters={"priority": 1, "sequence_id": "a"}, model_name="toy")
    np.testing.assert_array_equal(images(post(client, fields)), EXPECTED)


def test_the_images_are_those_of_generate(client: TestClient) -> None:
    fields = {"latents": LATENTS.tolist(), "labels": LABELS.tolist()}
    response = client.post("/generate", json=fields, headers={"accept": "application/x-npy"})
    assert response.content.endswith(images(post(client, wanted())).tobytes())


@pytest.mark.parametrize(
    ("encoding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
@pytest.mark.parametrize("form", [{}, ALL_BINARY])
def test_compressed_both_ways(
    client: TestClient, encoding: str, unpack: Any, form: dict[str, Any]
) -> None:
    body, headers = binary(wanted(**form), LATENTS, LABELS)
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](body)
    headers |= {"content-encoding": encoding, "accept-encoding": encoding}
    response = post(client, packed, headers)
    assert response.headers["content-encoding"] == encoding
    np.testing.assert_array_equal(images(response), EXPECTED)
