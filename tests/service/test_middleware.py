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

from mirage.service.metrics import Metrics
from mirage.service.middleware import CountRequests, HeadAsGet
from mirage.service.state import Service
from tests.service.exchange import problem


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
