"""Ids of requests, and their lines in the log."""

import asyncio
import logging
import re
from typing import Any

import pytest
from fastapi import FastAPI
from pythonjsonlogger.core import merge_record_extra
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message

from mirage.service.logs import REQUEST_ID, RESERVED
from mirage.service.request_log import LogRequests
from tests.service.conftest import ClientOf
from tests.service.exchange import post, problem


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What stands in a line behind its message."""
    fields = merge_record_extra(record, {}, RESERVED)
    assert fields.pop("request_id")
    return fields


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The fields of the requests' lines so far, by level."""
    caplog.set_level(logging.DEBUG, "mirage.service")

    def read(level: int = logging.INFO) -> list[dict[str, Any]]:
        records = [
            record for record in caplog.records if record.name == "mirage.service.request_log"
        ]
        return [fields_of(record) for record in records if record.levelno == level]

    return read


def test_an_id_that_is_allowed_comes_back(client: TestClient) -> None:
    for given in ("a", "A-b_c.1", "x" * 64):
        response = client.get("/healthz", headers={"X-Request-Id": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a;b", "é".encode("latin-1")])
def test_another_is_replaced(client: TestClient, given: str | bytes | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    made = [client.get("/healthz", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{16}", text) for text in made)
    assert made[0] != made[1]


def test_every_answer_has_an_id(client: TestClient) -> None:
    for response in (
        client.get("/absent"),
        client.get("/generate"),
        client.options("/generate"),
        client.head("/healthz"),
        post(client, count=0),
    ):
        assert response.headers["x-request-id"]


def test_even_a_fault_of_the_service_answers_and_logs_the_id(
    client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of()
    app = client.app
    assert isinstance(app, FastAPI)
    seen = []

    async def fail(request: Request) -> Response:
        seen.append(REQUEST_ID.get())
        raise RuntimeError("broken")

    app.router.add_route("/fault", fail)
    response = client.get("/fault", headers={"X-Request-Id": "r-7"})
    problem(response, 500, "internal-error")
    assert response.headers["x-request-id"] == "r-7"
    assert seen == ["r-7"]


def test_a_line_tells_what_was_made_and_how_long_it_took(client: TestClient, lines: Any) -> None:
    post(client, count=3, seed=7)
    (line,) = lines()
    times = {name: line.pop(name) for name in [*line] if name.endswith("_ms")}
    assert line == {
        "method": "POST",
        "path": "/generate",
        "status": 200,
        "key": None,
        "model": "toy@1",
        "images": 3,
        "client_gone": False,
    }
    assert [*times] == ["total_ms", "queue_ms", "engine_ms", "encode_ms"]
    assert all(value >= 0 for value in times.values())
    assert times["total_ms"] >= times["queue_ms"] + times["engine_ms"]


def test_a_refused_request_has_a_line_too(client: TestClient, lines: Any) -> None:
    client.post("/generate?seed=secret", json={"count": 0})
    (line,) = lines()
    assert (line["status"], line["path"], line["model"]) == (422, "/generate", None)
    assert line["queue_ms"] is None
    assert "secret" not in str(line)


def test_probes_are_logged_for_those_alone_who_debug(client: TestClient, lines: Any) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
    assert lines() == []
    assert len(lines(logging.DEBUG)) == 3


def test_a_long_path_is_cut(client: TestClient, lines: Any) -> None:
    client.get("/" + "x" * 5000)
    assert len(lines()[0]["path"]) == 200


@pytest.mark.parametrize("left", ["before the answer", "amid the answer", "not"])
def test_a_client_that_leaves_is_told(left: str, lines: Any) -> None:
    status = 499 if left == "before the answer" else 200

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": left != "not"})
        if left == "before the answer":
            await send({"type": "http.response.body", "body": b""})

    async def swallow(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(LogRequests(app)(scope, swallow, swallow))  # type: ignore[arg-type]
    assert lines()[0]["client_gone"] == (left != "not")
