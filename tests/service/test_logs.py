"""The lines of the log."""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from mirage.service.logs import (
    LINES_S,
    REQUEST_ID,
    JsonFormatter,
    LimitErrors,
    TextFormatter,
    add_request_id,
    configure_logging,
    lines_over_limit,
    log_uncaught,
)
from mirage.service.settings import Settings


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
    monkeypatch.setattr("mirage.service.logs.time.monotonic", lambda: 100.0)
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
    monkeypatch.setattr("mirage.service.logs.time.monotonic", lambda: 101.0)
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
