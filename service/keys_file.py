"""The file of API keys: names and hashes.

A line of the file is a name, the SHA-256 of the key in hexadecimal and, if the key has a limit of
its own, its images per minute. Empty lines and lines that begin with # are left out. A plain hash
is enough: slow ones protect what people choose, but nobody guesses 256 random bits.
"""

import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_KEYS = 1000  # more than people keep apart by name; with MOST_BYTES it bounds each look
MOST_BYTES = 2**18
PREFIX = "mirage_"  # by which people and secret scanners know what they have found
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
LINE = re.compile(rf"({NAME.pattern})\s+([0-9a-f]{{64}})(?:\s+([1-9][0-9]{{0,8}}))?")


class KeysError(Exception):
    """The file of keys cannot be used; the message is for operators."""


@dataclass(frozen=True)
class Key:
    """A key by its name and SHA-256; `images_per_minute` replaces the setting's limit."""

    name: str
    digest: bytes
    images_per_minute: int | None = None


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file; raises KeysError."""
    try:
        with open(path, "rb", opener=_open_regular) as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise KeysError(f"keys_file is {path}; {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise KeysError(f"keys_file is {path}; at most {MOST_BYTES} bytes are allowed")
    try:
        return parse_keys(raw)
    except KeysError as error:
        raise KeysError(f"keys_file is {path}; {error}") from None


def parse_keys(raw: bytes) -> tuple[Key, ...]:
    """The keys that the lines tell, which may be none; raises KeysError, without a line's text."""
    keys = tuple(_parse_lines(raw.decode("utf-8-sig", "replace")))
    names = {key.name for key in keys}
    if len(names) < len(keys):
        twice = next(name for name in names if sum(key.name == name for key in keys) > 1)
        raise KeysError(f"the name {twice} stands in it twice")
    if len(keys) > MOST_KEYS:
        raise KeysError(f"it has {len(keys)} keys; at most {MOST_KEYS} are allowed")
    return keys


def add_key(path: Path, name: str) -> str:
    """Make a key, append its hash to the file, and return its text, which is kept nowhere.

    A new file is for its owner alone. Raises KeysError for a file that is broken already,
    ValueError for a name that is not allowed or not free.
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
            raise ValueError(f"name is {name!r}; it stands in {path} already")
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
    """What is missing at the end of a file that somebody wrote by hand."""
    return b"\n" if contents and not contents.endswith(b"\n") else b""


def _open_regular(path: str, flags: int) -> int:
    """Open a file, but nothing that could be waited on for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "this is no file")
    return descriptor
