"""Log lines as text or JSON, with the id of the request that they belong to."""

import functools
import json
import logging
import random
import re
import sys
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirage.service.settings import Settings
from mirage.service.telemetry.joined_lines import JoinedLines

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
PLAIN = re.compile(r"[\w./@:+-]+", re.ASCII)
LINES_S = 100  # lines per second and status: at most a few GB a day

# uvicorn adds a copy of some messages with colour codes.
RESERVED = frozenset([*RESERVED_ATTRS, "color_message"])

log = logging.getLogger(__name__)


def configure_logging(settings: Settings) -> None:
    """Log to standard error, with the format and level of the settings."""
    handler = JoinedLines()
    handler.setFormatter(FORMATTERS[settings.log_format]())
    handler.addFilter(LimitErrors())
    handler.addFilter(add_request_id)
    # The formats do not show these, and collecting them takes time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


def log_uncaught() -> None:
    """Log warnings and uncaught exceptions instead of printing them."""
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", module="PIL")  # about the pictures of clients
    sys.excepthook = _log_exception
    threading.excepthook = lambda args: _log_exception(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def add_request_id(record: logging.LogRecord) -> bool:
    """A filter that adds the id of the current request to every record."""
    if not hasattr(record, "request_id"):
        record.request_id = REQUEST_ID.get()
    return True


class LimitErrors(logging.Filter):
    """A filter that passes at most LINES_S records per second of each error status.

    If records were dropped, the next one is preceded by a line with their number. Records without a
    `status` of at least 400 are not limited. `dropped` counts the dropped records.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record should be written."""
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
    """The number of records within one second."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._count = 0

    def begin_anew(self) -> int:
        """Start the next second if this one is over; returns how many it had above the limit."""
        now = time.monotonic()
        if now < self._ends:
            return 0
        left_out = max(0, self._count - LINES_S)
        self._ends, self._count = now + 1, 0
        return left_out

    def takes(self) -> bool:
        """Count a record; returns false above the limit."""
        self._count += 1
        return self._count <= LINES_S


class TextFormatter(logging.Formatter):
    """Formats records as `time LEVEL logger: message name=value …`, without absent fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Append the fields to the message."""
        words = [super().formatMessage(record)]
        for name, value in record.__dict__.items():
            if value is not None and name not in RESERVED:
                words.append(f"{name}={_word(value) if isinstance(value, str) else value}")
        return " ".join(words)


class JsonFormatter(BaseJsonFormatter):
    """Formats records as a JSON object per line. Absent fields of a request are null."""

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
        """Convert the time to UTC and the level to lower case."""
        created = datetime.fromtimestamp(log_data["time"], UTC)
        log_data["time"] = created.isoformat(timespec="milliseconds")
        log_data["level"] = log_data["level"].lower()
        return log_data


FORMATTERS: dict[Literal["text", "json"], type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
}


def lines_over_limit() -> int:
    """Return the number of lines that `LimitErrors` dropped."""
    filters = (each for handler in logging.getLogger().handlers for each in handler.filters)
    return sum(each.dropped for each in filters if isinstance(each, LimitErrors))


def _log_exception(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is None or issubclass(kind, (KeyboardInterrupt, SystemExit)):
        return
    log.critical("uncaught exception", exc_info=(kind, error, traceback))


@functools.lru_cache(1024)  # methods, paths and models repeat
def _word(text: str) -> str:
    """Return a text as one word, quoted if it could be confused with other fields."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def _to_json(log_data: dict[str, Any], **_: object) -> str:
    """Like `json.dumps`, in a fifth of the time; other objects become strings."""
    return to_json(log_data, fallback=str).decode()


@dataclass
class Record:
    """The logged facts of a request, with times in seconds; never a body, a latent or a key itself.

    `client` is the client's address, which is not logged; `key` is the name of the key, and
    `images_per_minute` the key's own limit.
    """

    request_id: str
    client: str = ""
    key: str | None = None
    images_per_minute: int | None = None
    model: str | None = None
    images: int | None = None
    queue_s: float | None = None
    engine_s: float | None = None
    encode_s: float | None = None

    def note_key(self, name: str, images_per_minute: int | None) -> None:
        """Record the name of the key and its own limit."""
        self.key, self.images_per_minute = name, images_per_minute

    def note(
        self, model: str, images: int, queue_s: float, engine_s: float, encode_s: float
    ) -> None:
        """Record the number of images, the `name@version` of their model, and the times."""
        self.model, self.images = model, images
        self.queue_s, self.engine_s, self.encode_s = queue_s, engine_s, encode_s


def record_of(request: Request) -> Record:
    """The record of the request."""
    record: Record = request.state.record
    return record


REQUEST_ID_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_LEFT = 499  # status in the log and the metrics if the client has disconnected
LEFT = "client_left"  # key in the state of a request whose client has disconnected
PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
MAX_PATH = 200  # characters


class LogRequests:
    """Logs requests, with the id of the client or a new one, and adds it to the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without a started answer, the status is 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(request_id(Headers(scope=scope)), client_of(scope))
        scope.setdefault("state", {})["record"] = record
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        header = (b"x-request-id", record.request_id.encode())
        started = time.perf_counter()
        status = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"] if has_client(scope) else CLIENT_LEFT
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            gone = status == CLIENT_LEFT or not has_client(scope)
            log_request(scope, record, status or 500, gone, time.perf_counter() - started)


def request_id(headers: Mapping[str, str]) -> str:
    """Return the id from the headers if it is valid, else 16 random hexadecimal digits."""
    given = headers.get("x-request-id", "")
    if given and REQUEST_ID_ALLOWED.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"


def has_client(scope: Scope) -> bool:
    """Return whether the client is connected; the HTTP protocol notes when it disconnects."""
    return not scope.get("state", {}).get(LEFT)


def client_of(scope: Scope) -> str:
    """Return the client's address, or an empty string if it is unknown."""
    return scope["client"][0] if scope.get("client") else ""


def log_request(
    scope: Scope, record: Record, status: int, client_gone: bool, total_s: float
) -> None:
    """Log a request that was answered, or whose client has disconnected."""
    level = logging.DEBUG if scope["path"] in PROBES else logging.INFO
    if not log.isEnabledFor(level):
        return
    fields = {
        "method": scope["method"],
        "path": scope["path"][:MAX_PATH],
        "status": status,
        "key": record.key,
        "model": record.model,
        "images": record.images,
        "total_ms": _ms(total_s),
        "queue_ms": _ms(record.queue_s),
        "engine_ms": _ms(record.engine_s),
        "encode_ms": _ms(record.encode_s),
        "client_gone": client_gone,
        "request_id": record.request_id,
    }
    log.log(level, "request", extra=fields)


def _ms(seconds: float | None) -> float | None:
    # `round` with digits takes four times as long.
    return None if seconds is None else int(100_000 * seconds + 0.5) / 100
