"""The versions that are in memory because requests named them; the least used go first."""

import asyncio
import logging
import time
from collections import OrderedDict

from mirage.service.ensemble import Answering
from mirage.service.errors import ModelRefused, QueueFull
from mirage.service.memory import Memory
from mirage.service.served import Key, LoadError

log = logging.getLogger(__name__)

REFUSED_S = 30.0  # how long a refusal stands before the bundle is looked at again


class OnDemand:
    """Keeps at most so many versions, and takes none away that a request uses."""

    def __init__(self, memory: Memory, most: int) -> None:
        self._memory = memory
        self._most = most
        self._kept: OrderedDict[Key, Answering] = OrderedDict()  # least used first
        self._loading: dict[Key, asyncio.Task[None]] = {}
        self._refused: dict[Key, tuple[float, str]] = {}  # until when, and why
        self._turn = asyncio.Lock()

    def get(self, key: Key) -> Answering | None:
        """The version if it is kept, which makes it the last used."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    async def find(self, key: Key) -> Answering:
        """The version; loads it once, however many ask and whoever of them leaves.

        Waits for room as long as all that is kept is in use. Raises ModelRefused, and QueueFull
        when as many as are kept at most are being loaded already.
        """
        while (version := self.get(key)) is None:
            self.check_refused(key)
            if key not in self._loading:
                self._check_room()
                task = self._loading[key] = asyncio.create_task(self._admit(key))
                task.add_done_callback(_mark_as_seen)
            await asyncio.shield(self._loading[key])
        return version

    def forget(self, key: Key) -> None:
        """Keep a version no longer, for somebody else holds it from now on."""
        if (version := self._kept.pop(key, None)) is not None:
            self._memory.let_go(version)

    def check_refused(self, key: Key) -> None:
        """Raise ModelRefused while the refusal of a version stands."""
        until, reason = self._refused.get(key, (0.0, ""))
        if (wait_s := until - time.monotonic()) > 0:
            raise _refusal(key, reason, wait_s)

    def versions(self) -> list[Answering]:
        """All that are kept."""
        return list(self._kept.values())

    async def close(self) -> None:
        """Wait for what is being loaded."""
        for task in self._loading.values():
            task.cancel()  # it may wait for room that nobody makes any more
        await asyncio.gather(*self._loading.values(), return_exceptions=True)

    async def _admit(self, key: Key) -> None:
        try:
            async with self._turn:
                await self._make_room()
                self._kept[key] = await self._memory.load(key)
        except LoadError as error:
            log.error("model refused name=%s version=%d reason=%s: %s", *key, error.reason, error)
            self._refused[key] = (time.monotonic() + REFUSED_S, error.reason)
            raise _refusal(key, error.reason, REFUSED_S) from error
        finally:
            del self._loading[key]

    async def _make_room(self) -> None:
        while len(self._kept) >= self._most:
            idle = (key for key, kept in self._kept.items() if not self._memory.is_leased(kept))
            if (oldest := next(idle, None)) is not None:
                self.forget(oldest)
            else:
                self._memory.returned.clear()
                await self._memory.returned.wait()

    def _check_room(self) -> None:
        if len(self._loading) >= self._most:
            raise QueueFull(
                f"{len(self._loading)} versions are being loaded already", retry_after_s=1
            )


def _refusal(key: Key, reason: str, retry_after_s: float) -> ModelRefused:
    name, version = key
    return ModelRefused(
        f"version {version} of {name} did not pass verification: {reason}",
        retry_after_s=retry_after_s,
    )


def _mark_as_seen(task: asyncio.Task[None]) -> None:
    """For all who asked may have left."""
    if not task.cancelled():
        task.exception()
