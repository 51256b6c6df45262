"""The largest batch of each model version, on which processes agree in memory that they share."""

import mmap
import struct
from hashlib import blake2b

from mirage.service.sharing.lock import SharedLock

MOST = 256  # versions; the first ones are forgotten for later ones
ENTRY = struct.Struct("<16sQ")  # the hash of a version, and the size
COUNT = struct.Struct("<Q")  # how many were ever written
PATIENCE_S = 1.0  # for another process; models are loaded on threads


class SharedSizes:
    """What the first process measured holds for all; create it before they are forked."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, COUNT.size + MOST * ENTRY.size)
        self._lock = SharedLock("mirage-sizes")

    def agree(self, version: str, measured: int) -> int:
        """The size that was given first for a version: this one, or an earlier one."""
        name = blake2b(version.encode(), digest_size=16).digest()
        with self._lock.held(0, PATIENCE_S) as locked:
            (count,) = COUNT.unpack_from(self._memory)
            for place in range(min(count, MOST)):
                found, size = ENTRY.unpack_from(self._memory, COUNT.size + place * ENTRY.size)
                if found == name:
                    return int(size)
            if locked:
                place = COUNT.size + count % MOST * ENTRY.size
                ENTRY.pack_into(self._memory, place, name, measured)
                COUNT.pack_into(self._memory, 0, count + 1)
        return measured
