"""Writes log lines, as text or as JSON, each with the id of the request that it belongs to."""

import asyncio
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO

from pydantic_core import to_json

from mirage.service.settings import Settings

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
PLAIN = re.compile(r"[\w./@:+-]+", re.ASCII)

Field = str | int | float | bool | None


def configure_logging(settings: Settings) -> None:
    """Log to standard error from now on, in the settings' format and from their level on."""
    handler = TurnHandler()
    handler.setFormatter(FORMATTERS[settings.log_format]())
    # No format shows them, and every line would look for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


class Line(logging.LogRecord):
    """A record whose text is made when it is written: what `tell_fields` looks at must stay.

    `place` is all that its lines have in common: to find that out anew costs as much as all else.
    """

    request_id: str
    tell_fields: Callable[[], dict[str, Field]]

    def __init__(
        self, place: Mapping[str, Any], request_id: str, tell_fields: Callable[[], dict[str, Field]]
    ) -> None:
        now = time.time()
        msecs = int(1000 * (now % 1)) + 0.0
        self.__dict__.update(
            place, created=now, msecs=msecs, request_id=request_id, tell_fields=tell_fields
        )

    @property
    def fields(self) -> dict[str, Field]:
        """What stands behind the message, by name."""
        return self.tell_fields()


class TurnHandler(logging.StreamHandler[TextIO]):
    """Writes the lines that come within one turn of the event loop together, at its end.

    Warnings are written at once, with all that came before; so are lines from where there is no
    event loop, unless others wait for the end of a turn: then with those.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str | Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; the handler's lock is held."""
        try:
            self._lines.append(record if isinstance(record, Line) else self.format(record))
            is_first = len(self._lines) == 1
            if record.levelno >= logging.WARNING or (is_first and not self._flush_later()):
                self.flush()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what has come."""
        with self.lock or nullcontext():
            if self._lines:
                lines, self._lines = self._lines, []
                texts = [self.format(line) if isinstance(line, Line) else line for line in lines]
                self.stream.write(self.terminator.join([*texts, ""]))
        super().flush()

    def _flush_later(self) -> bool:
        """Flush at the end of the turn; false where there is no event loop."""
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            return False
        return True


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message name=value …`; what is absent is left out."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Put time, level and name before the message, and the fields behind it."""
        words = [
            _second(int(record.created)) + f",{int(record.msecs):03d}",
            record.levelname,
            f"{record.name}:",
            record.message,
        ]
        words += [
            f"{name}={_word(value) if value.__class__ is str else value}"
            for name, value in _fields(record).items()
            if value is not None
        ]
        if (request_id := _request_id(record)) is not None:
            words.append(f"request_id={request_id}")  # which is a plain word, or would be refused
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a request's has all its fields, null where there is nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _request_id(record),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return to_json(line).decode()


FORMATTERS: dict[Literal["text", "json"], type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
}


@lru_cache(2)  # the lines of one second share it
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since_epoch))


def _request_id(record: logging.LogRecord) -> str | None:
    """The id of the request that a record belongs to."""
    return record.request_id if isinstance(record, Line) else REQUEST_ID.get()


def _fields(record: logging.LogRecord) -> dict[str, Field]:
    fields: dict[str, Field] = getattr(record, "fields", {})
    return fields


@lru_cache(1024)  # methods, paths, models: they come again
def _word(text: str) -> str:
    """A text as one word; quoted where a reader, or a forged line, could mistake it."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)
