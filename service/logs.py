"""Sets up the log: text or JSON on standard error, each line with the id of its request."""

import functools
import json
import logging
import re
import sys
import threading
import time
from collections import defaultdict
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from mirage.service.settings import Settings

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
PLAIN = re.compile(r"[\w./@:+-]+", re.ASCII)
LINES_S = 100  # lines a second: what people can still skim, and at most a few GB a day

# uvicorn repeats some messages with codes for colours.
RESERVED = frozenset([*RESERVED_ATTRS, "color_message"])

log = logging.getLogger(__name__)


def configure_logging(settings: Settings) -> None:
    """Log to standard error from now on, in the settings' format and from their level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[settings.log_format]())
    handler.addFilter(LimitErrors())
    handler.addFilter(add_request_id)
    # No format shows them, and every record would look for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


def log_uncaught() -> None:
    """Log warnings and exceptions that nobody handles, instead of printing them."""
    logging.captureWarnings(True)
    sys.excepthook = _log_exception
    threading.excepthook = lambda args: _log_exception(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def add_request_id(record: logging.LogRecord) -> bool:
    """A filter that takes every record, and adds the id of the request that is under way."""
    if not hasattr(record, "request_id"):
        record.request_id = REQUEST_ID.get()
    return True


class LimitErrors(logging.Filter):
    """Takes 100 lines a second of requests that ended with the same error status.

    The next line after that second follows one that says how many were left out. Records without a
    `status` of 400 or more are not limited. `dropped` counts what was left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        status = getattr(record, "status", 0)
        if status < 400:
            return True
        second = self._seconds[status]
        if left_out := second.begin_anew():
            log.warning("lines left out status=%d count=%d", status, left_out)
        if second.takes():
            return True
        self.dropped += 1
        return False


class Second:
    """What came within one second."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._count = 0

    def begin_anew(self) -> int:
        """Begin the next one if this is over; returns how many lines too many it had then."""
        now = time.monotonic()
        if now < self._ends:
            return 0
        left_out = max(0, self._count - LINES_S)
        self._ends, self._count = now + 1, 0
        return left_out

    def takes(self) -> bool:
        """Count a line; false if it is one too many."""
        self._count += 1
        return self._count <= LINES_S


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message name=value …`; what is absent is left out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Put the fields behind the message."""
        words = [super().formatMessage(record)]
        for name, value in record.__dict__.items():
            if value is not None and name not in RESERVED:
                words.append(f"{name}={_word(value) if isinstance(value, str) else value}")
        return " ".join(words)


class JsonFormatter(BaseJsonFormatter):
    """One JSON object a line; a request's has all its fields, null where there is nothing."""

    def __init__(self) -> None:
        super().__init__(
            ["created", "levelname", "name", "message", "request_id"],
            rename_fields={
                "created": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
            },
            reserved_attrs=[*RESERVED],
            json_serializer=_to_json,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Write the time in UTC and the level in small letters."""
        created = datetime.fromtimestamp(log_data["time"], UTC)
        log_data["time"] = created.isoformat(timespec="milliseconds")
        log_data["level"] = log_data["level"].lower()
        return log_data


FORMATTERS: dict[Literal["text", "json"], type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
}


def lines_over_limit() -> int:
    """The lines of requests that were left out because too many were alike."""
    filters = (each for handler in logging.getLogger().handlers for each in handler.filters)
    return sum(each.dropped for each in filters if isinstance(each, LimitErrors))


def _log_exception(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is None or issubclass(kind, (KeyboardInterrupt, SystemExit)):
        return
    log.critical("uncaught exception", exc_info=(kind, error, traceback))


@functools.lru_cache(1024)  # methods, paths and models come again
def _word(text: str) -> str:
    """A text as one word; quoted where a reader, or a forged line, could mistake it."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def _to_json(log_data: dict[str, Any], **_: object) -> str:
    """As `json.dumps`, in a fifth of the time; what is no JSON becomes a text."""
    return to_json(log_data, fallback=str).decode()
