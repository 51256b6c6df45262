"""What surrounds the routes."""

import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from mirage.service.api.security.middleware import CountRequests, HeadAsGet
from mirage.service.api.state import Service
from mirage.service.telemetry.logging import LEFT
from mirage.service.telemetry.metrics import Metrics
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import problem


async def answer(request: Request) -> Response:
    if request.query_params:
        raise RuntimeError("broken")
    return PlainTextResponse(request.method)


def test_head_is_answered_as_get_without_the_body() -> None:
    app = Starlette(routes=[Route("/", answer)], middleware=[Middleware(HeadAsGet)])
    response = TestClient(app).head("/")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "3"


def test_an_answer_that_never_began_counts_as_500() -> None:
    metrics = Metrics()
    counted = [Middleware(CountRequests, metrics=metrics)]
    client = TestClient(Starlette(routes=[Route("/", answer, middleware=counted)]))
    client.get("/")
    with pytest.raises(RuntimeError):
        client.get("/?break=1")
    text = generate_latest(metrics.registry).decode()
    assert 'mirage_requests_total{code="200"} 1.0' in text
    assert 'mirage_requests_total{code="500"} 1.0' in text
    assert "mirage_requests_in_flight 0.0" in text


def test_an_answer_to_nobody_counts_as_499() -> None:
    metrics = Metrics()

    async def leave(request: Request) -> Response:
        request.scope["state"][LEFT] = True
        return PlainTextResponse("too late")

    counted = [Middleware(CountRequests, metrics=metrics)]
    TestClient(Starlette(routes=[Route("/", leave, middleware=counted)])).get("/")
    assert metrics.registry.get_sample_value("mirage_requests_total", {"code": "499"}) == 1
    assert metrics.registry.get_sample_value("mirage_abandoned_total") == 1


def test_while_it_drains_clients_are_let_go(app: FastAPI, client: TestClient) -> None:
    service: Service = app.state.service
    assert "connection" not in client.get("/models").headers
    service.draining = True
    try:
        response = client.get("/models")
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        problem(client.get("/readyz"), 503, "draining")
        service.refusing = True
        refused = client.post("/generate")
        problem(refused, 503, "draining")
        assert (refused.headers["connection"], refused.headers["retry-after"]) == ("close", "1")
        infer = client.post("/v2/models/toy/infer")
        assert (infer.status_code, list(infer.json())) == (503, ["error"])
        assert client.get("/healthz").status_code == 200
        assert 'mirage_rejected_total{reason="draining"} ' in client.get("/metrics").text
    finally:
        service.draining = service.refusing = False
    assert client.post("/generate").status_code == 200
    assert service.unanswered == set()


PAGE = "https://page.example"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-encoding, content-type,"
    " inference-header-content-length, x-deadline-ms",
}


def test_pages_of_other_origins_may_not_read_answers_unless_told(client: TestClient) -> None:
    response = client.post("/generate", headers={"Origin": PAGE})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_a_page_of_an_origin_that_is_named_may_call_and_read(client_of: ClientOf) -> None:
    client = client_of(cors_origins=(PAGE,))
    preflight = client.options("/generate", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert preflight.headers["x-request-id"]
    response = client.post("/generate", headers={"Origin": PAGE})
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["vary"] == "Accept, Origin"
    exposed = response.headers["access-control-expose-headers"]
    own = "X-Seed, X-Model, X-Upscale, X-Scale, Server-Timing, Retry-After, X-Request-Id"
    assert exposed == f"{own}, Inference-Header-Content-Length"
    assert "access-control-allow-credentials" not in response.headers


def test_a_page_of_another_origin_may_not(client_of: ClientOf) -> None:
    client = client_of(cors_origins=(PAGE,))
    other = {**PREFLIGHT, "Origin": "https://other.example"}
    assert client.options("/generate", headers=other).status_code == 400
    response = client.post("/generate", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in response.headers


def test_a_preflight_needs_no_key_and_a_refusal_can_be_read(
    client_of: ClientOf, tmp_path: object
) -> None:
    (path := tmp_path / "keys").touch()  # type: ignore[operator]
    client = client_of(cors_origins=("*",), keys_file=path)
    assert client.options("/generate", headers=PREFLIGHT).status_code == 200
    response = client.post("/generate", headers={"Origin": PAGE})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")
