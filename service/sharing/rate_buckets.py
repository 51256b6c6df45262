"""Buckets that each hold a minute's images, start full and are refilled evenly."""

import mmap
import secrets
import struct
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

from mirage.service.sharing.lock import SharedLock

MOST_CALLERS = 10_000  # whose buckets are kept; those who came last
NOTHING = 1e-6  # images, below which rounding alone makes a difference
# Each caller's bucket is in one of 16 places, found by its hash. With four times as many places as
# callers are expected, hardly ever are all 16 taken while others are free.
SETS, PLACES = 2560, 16
PLACE = struct.Struct("<16sdd")  # the hash of a caller, the images, and when it was filled
PATIENCE_S = 0.001  # for another process that has the lock: the event loop waits
EMPTY = bytes(16)

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
    """The buckets of several processes, in memory of a fixed size; create it before the fork.

    The clock must be one that they share, as `time.monotonic` is on Linux. A call waits for other
    processes for a millisecond at most: if one has stopped in its midst, the others go on without
    the lock, by which a bucket may lose what two take in the same instant.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)  # so that nobody chooses who shares his places
        self._memory = mmap.mmap(-1, SETS * PLACES * PLACE.size)  # none of it is used yet
        self._lock = SharedLock("mirage-buckets")

    def take(self, caller: Caller, images: int, now: float) -> float:
        """As all buckets do; nobody else takes meanwhile."""
        with self._set(caller) as (name, places):
            place, bucket = self._find(name, places)
            left, wait_s = drawn(caller, bucket, images, now)
            PLACE.pack_into(self._memory, place, name, left, now)
        return wait_s

    def give_back(self, caller: Caller, images: int) -> None:
        """As all buckets do."""
        with self._set(caller) as (name, places):
            place, bucket = self._find(name, places)
            if bucket is not None:
                PLACE.pack_into(self._memory, place, name, bucket[0] + images, bucket[1])

    @contextmanager
    def _set(self, caller: Caller) -> Iterator[tuple[bytes, range]]:
        """The hash of a caller and where its bucket may be, for this process alone."""
        text = f"{caller[1]} {caller[0]}".encode()
        name = blake2b(text, digest_size=16, key=self._key).digest()
        number = int.from_bytes(name[:8], "little") % SETS
        start = number * PLACES * PLACE.size
        with self._lock.held(number, PATIENCE_S):
            yield name, range(start, start + PLACES * PLACE.size, PLACE.size)

    def _find(self, name: bytes, places: range) -> tuple[int, tuple[float, float] | None]:
        """A caller's place and bucket; for a new one a free place, or that of the oldest."""
        oldest, oldest_at = places[0], float("inf")
        for place in places:
            found, images, filled_at = PLACE.unpack_from(self._memory, place)
            if found == name:
                return place, (images, filled_at)
            if found == EMPTY:
                filled_at = float("-inf")
            if filled_at < oldest_at:
                oldest, oldest_at = place, filled_at
        return oldest, None


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
