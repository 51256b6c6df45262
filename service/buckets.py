"""Buckets that each hold a minute's images, start full and are refilled evenly."""

import sqlite3
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from typing import Protocol

MOST_CALLERS = 10_000  # whose buckets are kept; those who came last
NOTHING = 1e-6  # images, below which rounding alone makes a difference
PATIENCE_S = 5.0  # for another process that has the file

Caller = tuple[str, int]
"""Who has a bucket, and the images that it holds at most: a minute's."""


class Buckets(Protocol):
    """One bucket a caller. Times are in seconds of one clock."""

    def take(self, caller: Caller, images: int, now: float) -> float:
        """Take images; 0, or else the seconds until so many are there."""

    def give_back(self, caller: Caller, images: int) -> None:
        """Put back what was taken in vain."""


class OwnBuckets:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[Caller, tuple[float, float]] = OrderedDict()  # least used first

    def take(self, caller: Caller, images: int, now: float) -> float:
        """As all buckets do."""
        left, wait_s = drawn(caller, self._buckets.get(caller), images, now)
        self._buckets[caller] = left, now
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return wait_s

    def give_back(self, caller: Caller, images: int) -> None:
        """As all buckets do."""
        if (bucket := self._buckets.get(caller)) is not None:
            self._buckets[caller] = bucket[0] + images, bucket[1]


class SharedBuckets:
    """The buckets of several processes, in a file that each of them opens.

    The clock must be one that they share, as `time.monotonic` is on Linux.
    """

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        # A process that is lost may not leave others waiting; what a lost machine held matters not.
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("PRAGMA journal_mode = MEMORY")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS buckets (caller TEXT, per_minute INTEGER, images REAL,"
            " filled_at REAL, PRIMARY KEY (caller, per_minute)) WITHOUT ROWID"
        )
        self._file.execute("CREATE INDEX IF NOT EXISTS oldest ON buckets (filled_at)")

    def take(self, caller: Caller, images: int, now: float) -> float:
        """As all buckets do; nobody else takes meanwhile."""
        with closing(self._file.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                found = cursor.execute(
                    "SELECT images, filled_at FROM buckets WHERE caller = ? AND per_minute = ?",
                    caller,
                ).fetchone()
                left, wait_s = drawn(caller, found, images, now)
                cursor.execute(
                    "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?)", (*caller, left, now)
                )
                if found is None:
                    self._forget(cursor)
            finally:
                cursor.execute("COMMIT")
        return wait_s

    def give_back(self, caller: Caller, images: int) -> None:
        """As all buckets do."""
        self._file.execute(
            "UPDATE buckets SET images = images + ? WHERE caller = ? AND per_minute = ?",
            (images, *caller),
        )

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _forget(self, cursor: sqlite3.Cursor) -> None:
        (count,) = cursor.execute("SELECT count(*) FROM buckets").fetchone()
        if count > MOST_CALLERS:
            cursor.execute(
                "DELETE FROM buckets WHERE (caller, per_minute) ="
                " (SELECT caller, per_minute FROM buckets ORDER BY filled_at LIMIT 1)"
            )


def drawn(
    caller: Caller, bucket: tuple[float, float] | None, images: int, now: float
) -> tuple[float, float]:
    """What is left in a bucket of (images, filled at) after images are taken, and the wait.

    A wait in seconds means that none is taken. No bucket is a full one.
    """
    per_minute = caller[1]
    held = float(per_minute)
    if bucket is not None:
        held = min(held, bucket[0] + (now - bucket[1]) * per_minute / 60)
    missing = images - held
    if missing > NOTHING:
        return held, missing * 60 / per_minute
    return held - images, 0.0
