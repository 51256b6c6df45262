"""The lines of the log."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from mirage.service.logs import (
    REQUEST_ID,
    JsonFormatter,
    TextFormatter,
    TurnHandler,
    configure_logging,
)
from mirage.service.settings import Settings


@pytest.fixture
def in_request() -> Iterator[None]:
    token = REQUEST_ID.set("r-1")
    yield
    REQUEST_ID.reset(token)


def record_of(**fields: object) -> logging.LogRecord:
    record = logging.LogRecord("mirage.service.x", logging.INFO, __file__, 1, "made %d", (2,), None)
    record.created, record.fields = 0.25, fields
    return record


def test_text_has_the_fields_that_there_are_behind_the_message(in_request: None) -> None:
    line = TextFormatter().format(record_of(model="toy@1", images=2, key=None, client_gone=False))
    assert line.endswith(
        " INFO service.x: made 2 model=toy@1 images=2 client_gone=False request_id=r-1"
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


class Writes(io.StringIO):
    """A stream that remembers what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return len(text)


@pytest.fixture
def handler() -> TurnHandler:
    handler = TurnHandler()
    handler.setStream(Writes())
    return handler


def tell(handler: TurnHandler, *texts: str, level: int = logging.INFO) -> list[str]:
    """Handle a line for each text; returns what has been written by then."""
    for text in texts:
        handler.handle(logging.LogRecord("x", level, __file__, 1, text, (), None))
    assert isinstance(handler.stream, Writes)
    return handler.stream.all


def test_the_lines_of_a_turn_are_written_at_its_end(handler: TurnHandler) -> None:
    async def turns() -> None:
        assert tell(handler, "a", "b") == []
        await asyncio.sleep(0)
        assert tell(handler, "c") == ["a\nb\n"]
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert tell(handler) == ["a\nb\n", "c\n"]


def test_a_warning_is_written_at_once_with_what_came_before(handler: TurnHandler) -> None:
    async def turn() -> None:
        tell(handler, "a")
        assert tell(handler, "b", level=logging.WARNING) == ["a\nb\n"]

    asyncio.run(turn())
    assert tell(handler) == ["a\nb\n"]


def test_without_an_event_loop_each_line_is_written_at_once(handler: TurnHandler) -> None:
    assert tell(handler, "a", "b") == ["a\n", "b\n"]


def test_what_is_left_is_written_at_the_end(handler: TurnHandler) -> None:
    async def turn() -> None:
        tell(handler, "a")
        handler.flush()

    asyncio.run(turn())
    assert tell(handler) == ["a\n"]
