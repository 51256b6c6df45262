"""Token buckets of callers: each holds the images of a minute, starts full, refills evenly."""

import mmap
import secrets
import struct
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

from mirage.service.sharing.lock import SharedLock

MAX_CALLERS = 10_000  # the least recent callers are forgotten: their buckets are usually full again
TOLERANCE = 1e-6  # images; smaller amounts are rounding errors
# A set-associative table: the bucket of a caller is in one of the 16 slots of a set, chosen by its
# hash. With four times as many slots as callers, a set is hardly ever full while others have room.
SETS, SLOTS = 2560, 16
SLOT = struct.Struct("<16sdd")  # hash of a caller, images, when it was refilled
LOCK_TIMEOUT_S = 0.001  # the event loop waits meanwhile
EMPTY = bytes(16)

Caller = tuple[str, int]
"""A caller and its limit, in images per minute."""


class Buckets(Protocol):
    """One bucket for each caller. Times are in seconds of one clock."""

    def take(self, caller: Caller, images: int, now: float) -> float:
        """Take images and return 0, or return the seconds until so many are available."""

    def give_back(self, caller: Caller, images: int) -> None:
        """Return images that were taken but not made."""


class LocalBuckets:
    """The buckets of a single process."""

    def __init__(self) -> None:
        # least recently used first
        self._buckets: OrderedDict[Caller, tuple[float, float]] = OrderedDict()

    def take(self, caller: Caller, images: int, now: float) -> float:
        """See `Buckets.take`."""
        left, wait_s = take_from(caller, self._buckets.get(caller), images, now)
        self._buckets[caller] = left, now
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return wait_s

    def give_back(self, caller: Caller, images: int) -> None:
        """See `Buckets.give_back`."""
        if (bucket := self._buckets.get(caller)) is not None:
            self._buckets[caller] = bucket[0] + images, bucket[1]


class SharedBuckets:
    """The buckets of several processes, in shared memory. Create it before they are forked.

    The processes must share the clock, as they do with `time.monotonic` on Linux. A call waits for
    the lock for at most a millisecond. If a process has stopped while it held the lock, the others
    go on without it, and two calls at the same instant may count as one.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)  # clients cannot predict which callers share a set
        self._memory = mmap.mmap(-1, SETS * SLOTS * SLOT.size)  # untouched pages take no memory
        self._lock = SharedLock("mirage-buckets")

    def take(self, caller: Caller, images: int, now: float) -> float:
        """See `Buckets.take`."""
        with self._set(caller) as (name, slots):
            slot, bucket = self._find(name, slots)
            left, wait_s = take_from(caller, bucket, images, now)
            SLOT.pack_into(self._memory, slot, name, left, now)
        return wait_s

    def give_back(self, caller: Caller, images: int) -> None:
        """See `Buckets.give_back`."""
        with self._set(caller) as (name, slots):
            slot, bucket = self._find(name, slots)
            if bucket is not None:
                SLOT.pack_into(self._memory, slot, name, bucket[0] + images, bucket[1])

    @contextmanager
    def _set(self, caller: Caller) -> Iterator[tuple[bytes, range]]:
        """Lock the set of a caller, and yield the caller's hash and the offsets of the slots."""
        text = f"{caller[1]} {caller[0]}".encode()
        name = blake2b(text, digest_size=16, key=self._key).digest()
        number = int.from_bytes(name[:8], "little") % SETS
        start = number * SLOTS * SLOT.size
        with self._lock.held(number, LOCK_TIMEOUT_S):
            yield name, range(start, start + SLOTS * SLOT.size, SLOT.size)

    def _find(self, name: bytes, slots: range) -> tuple[int, tuple[float, float] | None]:
        """Return a caller's slot and bucket, or for a new caller an empty or the oldest slot."""
        oldest, oldest_at = slots[0], float("inf")
        for slot in slots:
            found, images, filled_at = SLOT.unpack_from(self._memory, slot)
            if found == name:
                return slot, (images, filled_at)
            if found == EMPTY:
                filled_at = float("-inf")
            if filled_at < oldest_at:
                oldest, oldest_at = slot, filled_at
        return oldest, None


def take_from(
    caller: Caller, bucket: tuple[float, float] | None, images: int, now: float
) -> tuple[float, float]:
    """Refill a bucket (images, refilled at), take images, and return what is left and the wait.

    If the wait in seconds is positive, no images are taken. None stands for a full bucket.
    """
    per_minute = caller[1]
    held = float(per_minute)
    if bucket is not None:
        held = min(held, bucket[0] + (now - bucket[1]) * per_minute / 60)
    missing = images - held
    if missing > TOLERANCE:
        return held, missing * 60 / per_minute
    return held - images, 0.0
