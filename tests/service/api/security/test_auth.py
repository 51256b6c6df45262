"""Who may ask for what."""

import logging
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from mirage.service.api.security.auth import add_key, is_open
from mirage.service.telemetry.logging import JsonFormatter, TextFormatter
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import problem, settle


@pytest.fixture
def key(tmp_path: Path) -> str:
    return add_key(tmp_path / "keys", "ci")


@pytest.fixture
def guarded(client_of: ClientOf, tmp_path: Path, key: str) -> TestClient:
    return client_of(keys_file=tmp_path / "keys")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_opens_by_either_header(guarded: TestClient, key: str, scheme: str) -> None:
    for headers in ({"Authorization": f"{scheme} {key}"}, {"X-Api-Key": key}):
        assert guarded.post("/generate", headers=headers).status_code == 200
        assert guarded.get("/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic Y2k6Y2k="}, {"Authorization": "Bearer"}]
)
def test_without_a_key_the_answer_is_401(guarded: TestClient, headers: dict[str, str]) -> None:
    response = guarded.post("/generate", headers=headers)
    assert "X-Api-Key" in problem(response, 401, "missing-key")["detail"]
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("text", ["mirage_wrong", "é", "x" * 5000])
def test_a_wrong_key_is_403_and_is_not_repeated(guarded: TestClient, text: str) -> None:
    response = guarded.post("/generate", headers={"X-Api-Key": text.encode("latin-1")})
    problem(response, 403, "wrong-key")
    assert text not in response.text


def test_inference_clients_are_refused_in_their_protocols_form(guarded: TestClient) -> None:
    response = guarded.get("/v2/models/toy")
    assert response.status_code == 401
    assert [*response.json()] == ["error"]


def test_refusals_are_counted(guarded: TestClient) -> None:
    guarded.post("/generate")
    guarded.post("/generate", headers={"X-Api-Key": "wrong"})
    text = guarded.get("/metrics").text
    assert 'mirage_rejected_total{reason="missing-key"} 1.0' in text
    assert 'mirage_rejected_total{reason="wrong-key"} 1.0' in text


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/docs", "/docs/static/swagger-ui.css", "/openapi.json"),
        *("/healthz", "/readyz", "/metrics"),
    ],
)
def test_what_neither_costs_nor_tells_of_models_is_open(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/models", "/models/toy", "/v2", "/v2/models/toy", "/v2/models/toy/ready", "/absent"]
)
def test_all_else_needs_a_key_even_if_it_is_not_there(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 401


def test_no_path_is_open_by_oversight(guarded: TestClient) -> None:
    """A new route is either meant to be open, and named here, or needs a key."""
    paths = {route.path for route in guarded.app.router.routes if isinstance(route, Route)}
    assert {path for path in paths if is_open(path)} <= {
        *("/", "/docs", "/openapi.json", "/static/{name}"),
        *("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"),
    }


def test_wrong_keys_leave_nothing_in_the_log_that_could_be_replayed(
    guarded: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = [
        f"mirage_{urlsafe_b64encode(sha256(b'%d' % n).digest()).decode()}" for n in range(1000)
    ]
    for number, text in enumerate(wrong):
        headers = {"X-Api-Key": text} if number % 2 else {"Authorization": f"Bearer {text}"}
        assert guarded.post("/generate", headers=headers).status_code == 403
    settle(guarded)
    lines = [
        formatter.format(record)
        for formatter in (TextFormatter(), JsonFormatter())
        for record in caplog.records
    ]
    log = "\n".join(lines)
    assert log.count("status=403") == 1000
    assert not any(text[7:15] in log or text[-8:] in log for text in wrong)


def test_the_log_tells_the_name_of_the_key(
    guarded: TestClient, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guarded.get("/models", headers={"X-Api-Key": key})
    (record,) = [
        record for record in caplog.records if record.name == "mirage.service.telemetry.logging"
    ]
    assert "key=ci" in TextFormatter().format(record)


def test_without_a_file_of_keys_none_is_asked_for(client: TestClient) -> None:
    assert client.post("/generate", headers={"X-Api-Key": "whatever"}).status_code == 200
