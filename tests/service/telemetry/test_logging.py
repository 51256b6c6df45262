"""The lines of the log."""

import asyncio
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pythonjsonlogger.core import merge_record_extra
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message

from mirage.service.settings import Settings
from mirage.service.telemetry.logging import (
    LEFT,
    LINES_S,
    REQUEST_ID,
    RESERVED,
    JsonFormatter,
    LimitErrors,
    LogRequests,
    TextFormatter,
    add_request_id,
    configure_logging,
    lines_over_limit,
    log_uncaught,
)
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post, problem, settle


@pytest.fixture
def in_request() -> Iterator[None]:
    token = REQUEST_ID.set("r-1")
    yield
    REQUEST_ID.reset(token)


def record_of(**fields: object) -> logging.LogRecord:
    record = logging.LogRecord("mirage.service.x", logging.INFO, __file__, 1, "made %d", (2,), None)
    record.created = 0.25
    record.__dict__.update(fields)  # as `extra` does
    add_request_id(record)
    return record


def test_text_has_the_fields_that_there_are_behind_the_message(in_request: None) -> None:
    line = TextFormatter().format(record_of(model="toy@1", images=2, key=None, client_gone=False))
    assert line.endswith(
        " INFO mirage.service.x: made 2 model=toy@1 images=2 client_gone=False request_id=r-1"
    )


def test_text_quotes_what_could_be_taken_for_something_else() -> None:
    line = TextFormatter().format(record_of(path='/a b\n"status=200'))
    assert line.endswith(r'path="/a b\n\"status=200"')
    assert "request_id" not in line


def test_json_is_one_object_a_line_with_all_its_fields(in_request: None) -> None:
    line = JsonFormatter().format(record_of(path="/é\n", images=None, total_ms=1.5))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "info",
        "logger": "mirage.service.x",
        "message": "made 2",
        "request_id": "r-1",
        "path": "/é\n",
        "images": None,
        "total_ms": 1.5,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_brings_its_traceback(formatter: logging.Formatter) -> None:
    record = record_of()
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        record.exc_info = sys.exc_info()
    assert "RuntimeError: broken" in formatter.format(record)


@pytest.mark.parametrize(("name", "kind"), [("text", TextFormatter), ("json", JsonFormatter)])
def test_the_settings_choose_format_and_level(
    name: str, kind: type[logging.Formatter], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    configure_logging(Settings(log_format=name, log_level="error"))
    (handler,) = root.handlers
    assert isinstance(handler.formatter, kind)
    assert root.level == logging.ERROR


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> LimitErrors:
    """A filter whose clock stands still."""
    monkeypatch.setattr("mirage.service.telemetry.logging.time.monotonic", lambda: 100.0)
    return LimitErrors()


def test_few_lines_of_errors_are_all_written(limit: LimitErrors) -> None:
    taken = [
        limit.filter(record_of(status=status)) for _ in range(LINES_S) for status in (429, 400)
    ]
    assert all(taken)
    assert limit.dropped == 0


def test_of_many_the_first_are_written_and_the_others_counted(
    limit: LimitErrors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken = [limit.filter(record_of(status=429)) for _ in range(LINES_S + 7)]
    assert taken == [True] * LINES_S + [False] * 7
    assert limit.dropped == 7
    assert caplog.text == ""
    monkeypatch.setattr("mirage.service.telemetry.logging.time.monotonic", lambda: 101.0)
    assert limit.filter(record_of(status=429))
    assert "lines left out status=429 count=7" in caplog.text


def test_answers_and_other_lines_are_not_limited(limit: LimitErrors) -> None:
    records = [record_of(status=200), record_of()] * (LINES_S + 1)
    assert all(limit.filter(record) for record in records)


def test_the_handler_counts_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    configure_logging(Settings())
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(open(os.devnull, "w"))  # noqa: SIM115
    for _ in range(LINES_S + 3):
        handler.handle(record_of(status=503))
    handler.stream.close()
    assert lines_over_limit() >= 3


def test_what_uvicorn_repeats_for_colours_is_left_out() -> None:
    record = record_of(color_message="made \033[1m2")
    assert "033" not in TextFormatter().format(record)
    assert "color_message" not in json.loads(JsonFormatter().format(record))


def test_an_exception_that_nobody_handles_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)
    log_uncaught()

    def fail() -> None:
        raise RuntimeError("broken")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (record,) = caplog.records
    assert record.message == "uncaught exception"
    assert "RuntimeError: broken" in TextFormatter().format(record)


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
            record for record in caplog.records if record.name == "mirage.service.telemetry.logging"
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
    settle(client)
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
    settle(client)
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


@pytest.mark.parametrize("left", ["before the answer", "amid the answer", "not", "was cut off"])
def test_a_client_that_leaves_is_told(left: str, lines: Any) -> None:
    status = 499 if left == "before the answer" else 200

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": left != "not"})
        scope["state"][LEFT] = left == "amid the answer"
        if left == "before the answer":
            await send({"type": "http.response.body", "body": b""})

    async def swallow(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(LogRequests(app)(scope, swallow, swallow))  # type: ignore[arg-type]
    assert lines()[0]["client_gone"] == left.endswith("the answer")


def test_an_answer_to_nobody_is_no_success(lines: Any) -> None:
    """Of a client that leaves before the answer begins, and of one that leaves amid it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for name in ("start", "body"):
            scope["state"][LEFT] = scope["path"] == f"/{name}"
            await send({"type": f"http.response.{name}", "status": 200})

    async def swallow(message: Message) -> None:
        pass

    for path in ("/start", "/body"):
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "state": {}}
        asyncio.run(LogRequests(app)(scope, swallow, swallow))  # type: ignore[arg-type]
    assert [line["status"] for line in lines()] == [499, 200]
    assert [line["client_gone"] for line in lines()] == [True, True]
