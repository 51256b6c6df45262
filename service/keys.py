"""The API keys that are valid now: those of the file, followed while the service runs."""

import asyncio
import hashlib
import logging
from pathlib import Path

from prometheus_client import Counter, Gauge

from mirage.service.keys_file import Key, KeysError, read_keys
from mirage.service.stamp import Stamp, stamp_of

log = logging.getLogger(__name__)

POLL_S = 1.0


class Keys:
    """The keys of a file. A file that breaks, or goes, later leaves the keys as they were.

    For files go for a moment when they are edited or mounted anew; to revoke all keys, empty it.
    """

    def __init__(self, path: Path, failures: Counter, unreadable: Gauge) -> None:
        self._path = path
        self._failures = failures
        self._unreadable = unreadable
        self._keys: dict[bytes, Key] = {}  # by digest, of which nobody can guess a part
        self._stamp: Stamp = ()
        self._fault: str | None = None  # why the file cannot be read now

    async def open(self) -> None:
        """Read the file; raises KeysError."""
        stamp = await asyncio.to_thread(stamp_of, self._path)
        self._take(await asyncio.to_thread(read_keys, self._path), stamp)

    async def follow(self) -> None:
        """Keep up with the file until cancelled, whatever happens meanwhile."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file again if it has changed, or could not be read before."""
        try:
            stamp = await asyncio.to_thread(stamp_of, self._path)
            if stamp != self._stamp:
                self._take(await asyncio.to_thread(read_keys, self._path), stamp)
        except KeysError as error:
            self._tell(str(error))
        except Exception as error:  # no thread to be had, for one; the next look may succeed
            self._tell(f"keys_file is {self._path}; {error!r}")
        else:
            self._fault = None
            self._unreadable.set(0)

    def find(self, text: bytes) -> Key | None:
        """The key of which this is the text."""
        return self._keys.get(hashlib.sha256(text).digest())

    def _take(self, keys: tuple[Key, ...], stamp: Stamp) -> None:
        self._keys = {key.digest: key for key in keys}
        self._stamp = stamp
        log.info("keys read count=%d", len(keys))

    def _tell(self, fault: str) -> None:
        """Count and log a fault, but not again at each look while it lasts."""
        self._unreadable.set(1)
        if fault != self._fault:
            self._fault = fault
            self._failures.inc()
            log.error("the %d keys stay as they were: %s", len(self._keys), fault)
