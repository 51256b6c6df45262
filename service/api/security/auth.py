"""API keys: the file that holds them, and requests that need one."""

import asyncio
import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter, Gauge
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from mirage.service.api.problems import problem_response
from mirage.service.errors import KeysError, MissingKey, ServiceError, WrongKey
from mirage.service.telemetry.logging import record_of
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.releases import FileSignature, file_signature

MAX_KEYS = 1000  # with MAX_BYTES, bounds the time to read the file
MAX_BYTES = 2**18
PREFIX = "mirage_"  # lets people and secret scanners recognise a key
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
LINE = re.compile(rf"({NAME.pattern})\s+([0-9a-f]{{64}})(?:\s+([1-9][0-9]{{0,8}}))?")


@dataclass(frozen=True)
class Key:
    """A key by its name and SHA-256; `images_per_minute` replaces the setting's limit."""

    name: str
    digest: bytes
    images_per_minute: int | None = None


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read the keys of a file. Raises KeysError."""
    try:
        with open(path, "rb", opener=_open_regular) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeysError(f"keys_file is {path}; {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise KeysError(f"keys_file is {path}; at most {MAX_BYTES} bytes are allowed")
    try:
        return parse_keys(raw)
    except KeysError as error:
        raise KeysError(f"keys_file is {path}; {error}") from None


def parse_keys(raw: bytes) -> tuple[Key, ...]:
    """Parse the lines of a keys file. Raises KeysError, whose message contains no line."""
    keys = tuple(_parse_lines(raw.decode("utf-8-sig", "replace")))
    names = {key.name for key in keys}
    if len(names) < len(keys):
        twice = next(name for name in names if sum(key.name == name for key in keys) > 1)
        raise KeysError(f"the name {twice} occurs in it twice")
    if len(keys) > MAX_KEYS:
        raise KeysError(f"it has {len(keys)} keys; at most {MAX_KEYS} are allowed")
    return keys


def add_key(path: Path, name: str) -> str:
    """Create a key, append its hash to the file, and return the key, which is not stored.

    A new file is readable by its owner only. Raises KeysError for a broken file, and ValueError for
    a name that is invalid or in use.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name is {name!r:.100}; 1 to 64 of A-Z a-z 0-9 . _ - are allowed")
    text = PREFIX + secrets.token_urlsafe(32)
    line = f"{name} {hashlib.sha256(text.encode()).hexdigest()}\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeysError(f"keys_file is {path}; {error.strerror}") from None
    with open(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if any(key.name == name for key in read_keys(path)):
            raise ValueError(f"name is {name!r}; {path} has it already")
        file.write(_line_end(file.readall()) + line.encode())
        os.fsync(file)
    return text


def _parse_lines(text: str) -> Iterator[Key]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise KeysError(
                f"line {number} is not a name, 64 hexadecimal digits and, if wanted, images per"
                " minute"
            )
        name, digest, limit = found.groups()
        yield Key(name, bytes.fromhex(digest), int(limit) if limit else None)


def _line_end(contents: bytes) -> bytes:
    """Return the line end that a file edited by hand may lack."""
    return b"\n" if contents and not contents.endswith(b"\n") else b""


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file; other files could block forever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "this is no file")
    return descriptor


log = logging.getLogger(__name__)

POLL_S = 1.0


class Keys:
    """The keys of a file, which is read again when it changes.

    If the file becomes unreadable or is deleted, the keys stay as they were, because files can be
    missing for a moment while they are edited or mounted. To revoke all keys, empty the file.
    """

    def __init__(self, path: Path, failures: Counter, unreadable: Gauge) -> None:
        self._path = path
        self._failures = failures
        self._unreadable = unreadable
        self._keys: dict[bytes, Key] = {}  # by digest, so a lookup leaks nothing about keys
        self._signature: FileSignature = ()
        self._fault: str | None = None  # why the file cannot be read now

    async def open(self) -> None:
        """Read the file. Raises KeysError."""
        signature = await asyncio.to_thread(file_signature, self._path)
        self._take(await asyncio.to_thread(read_keys, self._path), signature)

    async def follow(self) -> None:
        """Read the file again whenever it changes, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file if it has changed or could not be read before."""
        try:
            signature = await asyncio.to_thread(file_signature, self._path)
            if signature != self._signature:
                self._take(await asyncio.to_thread(read_keys, self._path), signature)
        except KeysError as error:
            self._report(str(error))
        except Exception as error:  # such as a missing thread; the next attempt may succeed
            self._report(f"keys_file is {self._path}; {error!r}")
        else:
            self._fault = None
            self._unreadable.set(0)

    def find(self, text: bytes) -> Key | None:
        """Return the key with this text."""
        return self._keys.get(hashlib.sha256(text).digest())

    def _take(self, keys: tuple[Key, ...], signature: FileSignature) -> None:
        self._keys = {key.digest: key for key in keys}
        self._signature = signature
        log.info("keys read count=%d", len(keys))

    def _report(self, fault: str) -> None:
        """Count and log a fault once, however long it lasts."""
        self._unreadable.set(1)
        if fault != self._fault:
            self._fault = fault
            self._failures.inc()
            log.error("the %d keys stay as they were: %s", len(self._keys), fault)


# Everything else needs a key, so that new paths are not open by mistake.
OPEN = frozenset(
    {
        *("/", "/docs", "/openapi.json"),
        *("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"),
    }
)
OPEN_BELOW = ("/docs/static/", "/static/")


class AskForKey:
    """Requires a key, and records its name."""

    def __init__(self, app: ASGIApp, keys: Keys, metrics: Metrics) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer MissingKey and WrongKey before the body is read."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                key = find_key(self._keys, Headers(scope=scope))
                record_of(Request(scope)).note_key(key.name, key.images_per_minute)
            except ServiceError as error:
                self._metrics.count_problem(error.slug)
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def find_key(keys: Keys, headers: Mapping[str, str]) -> Key:
    """Return the key of a request. Raises MissingKey and WrongKey."""
    text = _given(headers)
    if not text:
        raise MissingKey("a key is needed: Authorization: Bearer KEY, or X-Api-Key: KEY")
    key = keys.find(text.encode("latin-1"))
    if key is None:
        raise WrongKey("the key is not, or no longer, one of this service")
    return key


def is_open(path: str) -> bool:
    """Return whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_BELOW)


def _given(headers: Mapping[str, str]) -> str:
    """Return the text of a request's key, or an empty string."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
