"""Liveness and readiness, over HTTP."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from tests.bundles import make_bundle
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


def test_without_a_released_model_it_is_alive_but_not_ready(
    client_of: ClientOf, tmp_path: Path
) -> None:
    make_bundle(tmp_path, "toy")
    client = client_of(models=tmp_path, default_model=None)
    detail = problem(client.get("/readyz"), 503, "no-model")["detail"]
    assert "mirage export" in detail
    assert "mirage bundle release" in detail
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/models/toy/versions/1/ready").status_code == 200
    assert client.get("/healthz").json() == {"status": "alive"}
    assert "mirage_ready 0.0" in client.get("/metrics").text


def test_the_first_release_makes_it_ready(client_of: ClientOf, tmp_path: Path) -> None:
    client = client_of(models=tmp_path, default_model=None, release_poll_s=3600)
    assert client.get("/readyz").status_code == 503
    make_bundle(tmp_path, "toy")
    release(tmp_path, "toy", 1)
    assert client.portal is not None
    assert isinstance(client.app, FastAPI)
    client.portal.call(client.app.state.service.models.refresh)
    assert client.get("/readyz").json() == {"status": "ready"}


def test_an_engine_that_only_a_new_process_can_run_is_told(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU that has failed."""
    client = client_of()
    assert client.get("/healthz").status_code == 200
    monkeypatch.setattr("mirage.service.engines.session.Chain.is_lost", True)
    response = client.get("/healthz")
    assert "GPU has failed" in problem(response, 503, "engine-stuck")["detail"]
