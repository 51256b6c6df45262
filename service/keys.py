"""The API keys that are valid now: those of the file, followed while the service runs."""

import asyncio
import hashlib
import hmac
import logging
from pathlib import Path

from prometheus_client import Counter

from mirage.service.keys_file import Key, KeysError, read_keys
from mirage.service.stamp import Stamp, stamp_of

log = logging.getLogger(__name__)

POLL_S = 1.0


class Keys:
    """The keys of a file. A file that breaks later leaves the keys as they were."""

    def __init__(self, path: Path, failures: Counter) -> None:
        self._path = path
        self._failures = failures
        self._keys: tuple[Key, ...] = ()
        self._stamp: Stamp = ()

    async def open(self) -> None:
        """Read the file; raises KeysError."""
        self._stamp = await asyncio.to_thread(stamp_of, self._path)
        self._keys = await asyncio.to_thread(read_keys, self._path)
        log.info("keys read count=%d", len(self._keys))

    async def follow(self) -> None:
        """Keep up with the file until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file again if it has changed."""
        stamp = await asyncio.to_thread(stamp_of, self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = await asyncio.to_thread(read_keys, self._path)
        except KeysError as error:
            self._failures.inc()
            log.error("the %d keys stay as they were: %s", len(self._keys), error)
        else:
            log.info("keys read count=%d", len(self._keys))

    def find(self, text: bytes) -> Key | None:
        """The key of which this is the text; takes equally long whichever it is."""
        digest = hashlib.sha256(text).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found
