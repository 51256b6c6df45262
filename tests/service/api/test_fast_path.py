"""How `POST /generate` counts requests."""

from starlette.testclient import TestClient
from starlette.types import Message, Scope

from mirage.service.telemetry.logging import LEFT
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post


def test_requests_are_counted_by_status(client_of: ClientOf) -> None:
    client = client_of()
    post(client, seed=7)
    post(client, count=0)
    assert {line for line in metrics(client) if line.startswith("mirage_requests_total")} == {
        'mirage_requests_total{code="200"} 1.0',
        'mirage_requests_total{code="422"} 1.0',
    }


def test_an_answer_to_nobody_counts_as_499(client_of: ClientOf) -> None:
    """A client that leaves so soon that nothing has been done in vain yet but the answer."""
    client = client_of()
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/generate",
        "query_string": b"",
        "headers": [],
        "state": {},
    }

    async def receive() -> Message:
        scope["state"][LEFT] = True
        return {"type": "http.request"}

    async def swallow(message: Message) -> None:
        pass

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, swallow)
    counted = metrics(client)
    assert 'mirage_requests_total{code="499"} 1.0' in counted
    assert "mirage_abandoned_total 1.0" in counted
    assert "mirage_requests_in_flight 0.0" in counted


def metrics(client: TestClient) -> list[str]:
    return client.get("/metrics").text.splitlines()
