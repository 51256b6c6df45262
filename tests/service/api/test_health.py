"""Liveness and readiness, over HTTP."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post, problem


def test_health_readiness_and_documentation(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/docs").headers["content-type"].startswith("text/html")


def test_readiness_ends_when_the_service_is_told_to_stop(client_of: ClientOf) -> None:
    client = client_of()
    app = client.app
    assert isinstance(app, FastAPI)
    app.state.service.draining = True
    response = client.get("/readyz")
    problem(response, 503, "draining")
    assert int(response.headers["retry-after"]) >= 1
    assert post(client).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_an_engine_that_only_a_new_process_can_run_is_told(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU that has failed."""
    client = client_of()
    assert client.get("/healthz").status_code == 200
    monkeypatch.setattr("mirage.service.engines.session.Chain.is_lost", True)
    response = client.get("/healthz")
    assert "GPU has failed" in problem(response, 503, "engine-stuck")["detail"]
