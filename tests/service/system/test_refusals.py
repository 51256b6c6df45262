"""Every refusal over HTTP: its status, its slug and its message."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.engine import Engine
from tests.bundles import make_bundle
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import JSON, NPY, OCTETS, npy, post, problem

LATENTS = draw_latents(7, 0, 2, 5)[0]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"seed": NaN}',
        b'{"latents": [[Infinity]]}',
        b'{"latents": [[-Infinity]]}',
        b"\xff\xfe{}",
        b"{} {}",
        b"[" * 50_000,
        b'{"seed": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_json_is_malformed(client: TestClient, body: bytes) -> None:
    response = client.post("/generate", content=body, headers={"content-type": JSON})
    problem(response, 400, "malformed-request")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"cuont": 1}, "cuont is no field"),
        ({"count": 0}, "count is 0; "),
        ({"count": True}, "count is true; "),
        ({"count": 1.0}, "count is 1.0; "),
        ({"count": "1"}, 'count is "1"; '),
        ({"seed": -1}, "seed is -1; "),
        ({"seed": 2**64}, "seed is 18446744073709551616; "),
        ({"seed": str(2**64)}, 'seed is "18446744073709551616"; '),
        ({"seed": "0x7"}, 'seed is "0x7"; '),
        ({"seed": "٣"}, "seed is "),
        ({"seed": True}, "seed is true; "),
        ({"seed": 1.5}, "seed is 1.5; "),
        ({"index": 2**64}, "index is 18446744073709551616; "),
        ({"index": -1}, "index is -1; "),
        ({"truncation": 0}, "truncation is 0; "),
        ({"truncation": 1.01}, "truncation is 1.01; "),
        ({"truncation": True}, "truncation is true; "),
        ({"labels": 1.5}, "labels is 1.5; "),
        ({"labels": [True]}, "labels is a list of 1; "),
        ({"labels": {}}, "labels is an object of 0; "),
        ({"labels": 10}, "label is 10; "),
        ({"labels": "ten"}, "label is 'ten'; "),
        ({"layout": "spiral"}, 'layout is "spiral"; '),
        ({"model": 3}, "model is 3; "),
        ({"version": 0}, "version is 0; "),
        ({"latents": []}, "latents is a list of 0; "),
        ({"latents": [[]]}, "latents[0] is a list of 0; "),
        ({"latents": [[0, 0, 0, 0, 101]]}, "latents[0][4] is 101; "),
        ({"latents": [[0, 0, 0, 0, 1e400]]}, "latents[0][4] is "),
        ({"latents": [[0, 0, 0, 0, True]]}, "latents[0][4] is true; "),
        ({"latents": [[0, 0, 0, 0]], "labels": 1}, "latents[0] has 4 values; latent_dim is 5"),
        ({"latents": [[0] * 5]}, "labels are absent"),
        ({"index": 2**64 - 1, "count": 2}, "index is 18446744073709551615; "),
        ({"model": "plain", "labels": 1}, "labels are given; plain has no classes"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    client: TestClient, fields: dict[str, Any], names: str
) -> None:
    body = json.dumps(fields).replace("Infinity", "1e400").encode()
    response = client.post("/generate", content=body, headers={"content-type": JSON})
    found = problem(response, 422, "invalid-value")
    assert found["detail"].startswith(names)
    assert found["errors"][0]["msg"].startswith(names)
    assert found["errors"][0]["loc"]


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"x"'])
def test_json_that_is_no_object_is_a_wrong_type(client: TestClient, body: bytes) -> None:
    response = client.post("/generate", content=body, headers={"content-type": JSON})
    problem(response, 422, "invalid-value")


def test_all_bad_fields_are_told_at_once(client: TestClient) -> None:
    found = problem(post(client, count=0, seed=-1, x=1), 422, "invalid-value")
    assert [error["loc"] for error in found["errors"]] == [["count"], ["seed"], ["x"]]


@pytest.mark.parametrize("url", ["/generate?count=2", "/generate?x=1"])
def test_a_query_beside_json_is_refused(client: TestClient, url: str) -> None:
    problem(client.post(url, json={}), 422, "invalid-value")
    problem(client.post(url), 422, "invalid-value")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labels=3&x=1", "x is no field"),
        ("labels=3&labels=4", "query parameter 'labels': it is given twice"),
        ("labels=3&seed=1", "seed is 1; it cannot be combined with latents"),
        ("labels=3&count=1", "count is 1; it cannot be combined with latents"),
        ("labels=3&truncation=0.5", "truncation is 0.5; it cannot be combined with latents"),
        ("labels=3&latents=1", "query parameter 'latents': the body holds the latents"),
        ("labels=3&version=one", 'version is "one"; '),
        ("labels=3&index=-1", 'index is "-1"; '),
        ("labels=3,4", "there are 2 labels; a single one or 1 are allowed"),
        ("labels=", "label is ''; "),
        ("labels=3.0", "label is '3.0'; "),
        ("", "labels are absent"),
    ],
)
def test_a_bad_query_is_named(client: TestClient, query: str, names: str) -> None:
    response = client.post(
        f"/generate?{query}", content=LATENTS[:1].tobytes(), headers={"content-type": OCTETS}
    )
    assert problem(response, 422, "invalid-value")["detail"].startswith(names)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (OCTETS, b""),
        (OCTETS, b"\0" * 21),
        (OCTETS, b"\0" * 24),
        (OCTETS, np.full(5, np.nan, "<f4").tobytes()),
        (OCTETS, np.full(5, 100.5, "<f4").tobytes()),
        (NPY, npy(np.zeros((1, 5)))),
        (NPY, npy(np.zeros((1, 5), ">f4"))),
        (NPY, npy(np.zeros(5, "<f4"))),
        (NPY, npy(np.zeros((0, 5), "<f4"))),
        (NPY, npy(np.zeros((1, 4), "<f4"))),
        (NPY, npy(np.zeros((2, 5), "<f4", order="F"))),
        (NPY, npy(np.full((1, 5), np.inf, "<f4"))),
        (NPY, npy(np.array([["a"] * 5], dtype=object))),
    ],
)
def test_bad_latents_in_the_body_are_refused(client: TestClient, media: str, body: bytes) -> None:
    response = client.post("/generate?labels=3", content=body, headers={"content-type": media})
    problem(response, 422, "invalid-value")


@pytest.mark.parametrize("body", [b"", b"\x93NUMPY", npy(LATENTS)[:-1], b"PK\x03\x04" * 9])
def test_what_is_no_npy_is_malformed(client: TestClient, body: bytes) -> None:
    response = client.post("/generate?labels=3", content=body, headers={"content-type": NPY})
    problem(response, 400, "malformed-request")


@pytest.mark.parametrize("header", ["0", "-1", "1.5", "soon", "", "NaN", "+5"])
def test_a_deadline_that_is_no_positive_integer_is_malformed(
    client: TestClient, header: str
) -> None:
    response = client.post("/generate", headers={"x-deadline-ms": header})
    assert "X-Deadline-Ms" in problem(response, 400, "malformed-request")["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "absent"},
        {"model": "../toy"},
        {"model": "TOY"},
        {"model": ".hidden", "version": 1},
        {"version": 3},
        {"version": 2**64 - 1},
        {"model": "rgb"},
    ],
)
def test_an_unknown_model_is_not_found(client: TestClient, fields: dict[str, Any]) -> None:
    problem(post(client, **fields), 404, "no-such-model")


@pytest.mark.parametrize(
    ("accept", "fields"),
    [
        ("text/html", {}),
        ("image/*", {"count": 2, "layout": "separate"}),
        ("application/zip", {"count": 2, "layout": "grid"}),
        ("multipart/mixed", {"layout": "grid"}),
        ("application/x-npy", {"layout": "grid"}),
    ],
)
def test_nothing_acceptable(client: TestClient, accept: str, fields: dict[str, Any]) -> None:
    response = client.post("/generate", json=fields, headers={"accept": accept})
    problem(response, 406, "not-acceptable")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": JSON, "content-encoding": "gzip"},
    ],
)
def test_other_body_types_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/generate", content=b"{}", headers=headers)
    problem(response, 415, "unsupported-body-type")


@pytest.mark.parametrize("path", ["/generate", "/interpolate"])
def test_the_type_of_no_body_does_not_matter(client: TestClient, path: str) -> None:
    """As `curl -d ''` sends it."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    response = client.post(path, content=b"", headers=form)
    if path == "/generate":
        assert (response.status_code, response.content[:4]) == (200, b"\x89PNG")
    else:
        assert problem(response, 422, "invalid-value")["detail"] == "points is absent; it is needed"


@pytest.mark.parametrize("path", ["/generate", "/interpolate"])
def test_json_of_too_many_values_is_over_a_limit(client: TestClient, path: str) -> None:
    for body in (b"[" * 100_000, b'{"points": [%s1]}' % (b"1," * 100_000)):
        response = client.post(path, content=body, headers={"content-type": JSON})
        assert "70000 are allowed" in problem(response, 422, "limit-exceeded")["detail"]


@pytest.mark.parametrize("path", ["/generate", "/interpolate"])
def test_json_over_its_limit_is_told_what_to_send_instead(client_of: ClientOf, path: str) -> None:
    client = client_of(json_bytes=2048)
    response = client.post(path, content=b" " * 2049, headers={"content-type": JSON})
    detail = problem(response, 413, "body-too-large")["detail"]
    assert "2048 are allowed of JSON; latents may be sent as application/x-npy" in detail
    assert "up to 8388608 bytes" in detail


def test_an_old_java_client_gets_a_png(client: TestClient) -> None:
    accept = {"accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}
    response = client.post("/generate", json={"seed": 7}, headers=accept)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")


def test_a_body_without_a_type_is_refused(client: TestClient) -> None:
    found = problem(client.post("/generate", content=b"{}"), 415, "unsupported-body-type")
    assert "application/json" in found["detail"]


def test_a_body_over_the_limit_is_refused_announced_or_not(client_of: ClientOf) -> None:
    client = client_of(body_bytes=1024)
    headers = {"content-type": JSON}
    announced = client.post("/generate", content=b" " * 1025, headers=headers)
    problem(announced, 413, "body-too-large")
    chunked = client.post("/generate", content=iter([b" " * 1000] * 2), headers=headers)
    problem(chunked, 413, "body-too-large")
    assert client.post("/generate", content=b" " * 1024, headers=headers).status_code == 200


def test_limits_of_the_settings_are_named(client_of: ClientOf) -> None:
    client = client_of(images_per_request=4, megapixels_per_request=0.0003)
    detail = problem(post(client, count=5), 422, "limit-exceeded")["detail"]
    assert "at most 4 images per request" in detail
    detail = problem(post(client, count=4), 422, "limit-exceeded")["detail"]
    assert "megapixels" in detail
    assert post(client, count=3).status_code == 200


def test_more_than_the_queue_holds_is_refused_with_retry_after(client_of: ClientOf) -> None:
    response = post(client_of(queue_images=4), count=5)
    problem(response, 429, "queue-full")
    assert int(response.headers["retry-after"]) >= 1


def test_a_model_must_be_named_when_several_could_be_meant(client_of: ClientOf) -> None:
    client = client_of(default_model=None)
    detail = problem(post(client), 422, "invalid-value")["detail"]
    assert "plain, toy" in detail
    assert post(client, model="plain").status_code == 200


def test_a_version_that_fails_verification_is_refused_with_its_reason(
    client_of: ClientOf, tmp_path: Path
) -> None:
    good, bad = make_bundle(tmp_path), make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    (bad / "model.onnx").write_bytes((good / "model.onnx").read_bytes()[:-1] + b"\0")
    client = client_of(models=tmp_path)
    for _ in range(2):
        response = post(client, version=2)
        assert "file_hash" in problem(response, 503, "model-refused")["detail"]
        assert int(response.headers["retry-after"]) >= 1
    assert post(client).status_code == 200


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    problem(client.get("/nowhere"), 404, "not-found")
    problem(client.post("/generate/"), 404, "not-found")
    response = client.get("/generate")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "OPTIONS, POST"
    problem(client.delete("/models"), 405, "method-not-allowed")


def test_before_its_models_are_loaded_it_is_not_ready(app: FastAPI, settings: Any) -> None:
    client = TestClient(create_app(settings))
    problem(client.get("/readyz"), 503, "not-ready")
    response = client.post("/generate")
    problem(response, 503, "not-ready")
    assert int(response.headers["retry-after"]) >= 1


def test_an_unknown_fault_is_a_fixed_text(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret in /tmp")

    monkeypatch.setattr("mirage.service.api.generate.build_job", fail)
    client = client_of()
    found = problem(client.post("/generate"), 500, "internal-error")
    assert "secret" not in found["detail"]


def test_a_deadline_that_cannot_be_met_is_refused_at_once(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warming up has shown that a batch takes longer than the whole deadline."""

    def warm_up(engine: Engine, cost: CostModel) -> dict[int, float]:
        cost.learn(1, 1000.0)
        return dict.fromkeys(engine.sizes, 1000.0)

    monkeypatch.setattr(Engine, "warm_up", warm_up)
    response = client_of().post("/generate", headers={"x-deadline-ms": "30000"})
    problem(response, 429, "deadline-unreachable")
    assert int(response.headers["retry-after"]) >= 1
