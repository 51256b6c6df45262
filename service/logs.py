"""Writes log lines, as text or as JSON, each with the id of the request that it belongs to."""

import json
import logging
import re
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic_core import to_json

from service.settings import Settings

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
PLAIN = re.compile(r"[\w./@:+-]+", re.ASCII)

Field = str | int | float | bool | None


def configure_logging(settings: Settings) -> None:
    """Log to standard error from now on, in the settings' format and from their level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[settings.log_format]())
    # No format shows them, and every line would look for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message name=value …`; what is absent is left out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Put the fields behind the message."""
        fields = _fields(record)
        if (request_id := REQUEST_ID.get()) is not None:
            fields = {**fields, "request_id": request_id}
        shown = [f"{name}={_plain(value)}" for name, value in fields.items() if value is not None]
        return " ".join((super().formatMessage(record), *shown))


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a request's has all its fields, null where there is nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return to_json(line).decode()


FORMATTERS: dict[Literal["text", "json"], type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
}


def _fields(record: logging.LogRecord) -> dict[str, Field]:
    fields: dict[str, Field] = getattr(record, "fields", {})
    return fields


def _plain(value: Field) -> str:
    """A value as one word; quoted where a reader, or a forged line, could mistake it."""
    text = str(value)
    return text if not isinstance(value, str) or PLAIN.fullmatch(text) else json.dumps(text)
