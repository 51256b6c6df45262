"""The maximum batch size of each model version, the same in all workers."""

import mmap
import struct
from hashlib import blake2b

from mirage.service.sharing.lock import SharedLock

MAX_VERSIONS = 256  # the oldest entries are overwritten
ENTRY = struct.Struct("<16sQ")  # hash of a version, batch size
COUNT = struct.Struct("<Q")  # number of entries ever written
LOCK_TIMEOUT_S = 1.0  # the lock is held for microseconds, and models are loaded on threads


class SharedBatchSizes:
    """A table in shared memory of measured batch sizes. Create it before the workers are forked.

    Measurements differ between workers; the first one counts for all.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, COUNT.size + MAX_VERSIONS * ENTRY.size)
        self._lock = SharedLock("mirage-sizes")

    def agree(self, version: str, measured: int) -> int:
        """Return the size that a worker measured first, or record this one as the first."""
        name = blake2b(version.encode(), digest_size=16).digest()
        with self._lock.held(0, LOCK_TIMEOUT_S) as locked:
            (count,) = COUNT.unpack_from(self._memory)
            for index in range(min(count, MAX_VERSIONS)):
                found, size = ENTRY.unpack_from(self._memory, COUNT.size + index * ENTRY.size)
                if found == name:
                    return int(size)
            if locked:
                offset = COUNT.size + count % MAX_VERSIONS * ENTRY.size
                ENTRY.pack_into(self._memory, offset, name, measured)
                COUNT.pack_into(self._memory, 0, count + 1)
        return measured
