"""The versions in memory: loaded once, held while used, and unloaded when least used."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import version_path
from mirage.bundle.store.members import check_members, verify_ensemble
from mirage.service.errors import ModelRefused, Overloaded
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.loading import LoadError, prepare
from mirage.service.versions.version import Answering, Ensemble, Key, LoadedVersion

log = logging.getLogger(__name__)


class VersionCache:
    """Loads versions and lets go of them. Use and close it on one event loop.

    Whoever loads a version holds it until `let_go`. Requests hold it too, by `lease`: so nothing is
    closed that a request has found, and what is queued is finished.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        counters: SharedCounters | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._counters = counters
        self._served: dict[Key, LoadedVersion] = {}
        self._holds: Counter[Key] = Counter()
        self._leases: Counter[Key] = Counter()
        self._loading: dict[Key, asyncio.Task[None]] = {}
        self._closing: dict[Key, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self.returned = asyncio.Event()  # set whenever a lease ends

    async def load(self, key: Key) -> Answering:
        """Hold a version, an ensemble with its members; raises LoadError."""
        with self._counted_refusals(key):
            if key in self._served or key in self._loading:
                return await self._hold(key)
            manifest = await asyncio.to_thread(read_manifest, self._path(key))
            if manifest.members:
                return await self._load_ensemble(manifest)
            return await self._hold(key)

    def hold(self, version: Answering) -> None:
        """Hold once more what is held already."""
        for part in version.parts:
            self._holds[part.key] += 1

    def let_go(self, version: Answering) -> None:
        """End a hold; what nobody holds finishes what is queued and leaves memory."""
        for part in version.parts:
            self._let_go(part.key)

    def lease(self, version: Answering) -> AbstractContextManager[Answering]:
        """Hold what is in memory for a request, within the block."""
        return Lease(self, version)

    def begin(self, version: Answering) -> None:
        """Begin to hold what is in memory for a request."""
        for part in version.parts:
            self._holds[part.key] += 1
            self._leases[part.key] += 1

    def end(self, version: Answering) -> None:
        """End what `begin` began."""
        for part in version.parts:
            self._leases[part.key] -= 1
            self._let_go(part.key)
        self.returned.set()

    def is_leased(self, version: Answering) -> bool:
        """Whether a request holds it."""
        return any(self._leases[part.key] for part in version.parts)

    def everything(self) -> list[LoadedVersion]:
        """What is in memory, and is not about to leave it."""
        return list(self._served.values())

    async def close(self) -> None:
        """Finish what is queued, and empty the memory."""
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        for key in list(self._served):
            self._drop(key)
        await asyncio.gather(*self._closing.values())

    async def _load_ensemble(self, manifest: Manifest) -> Ensemble:
        await asyncio.to_thread(verify_ensemble, self._path(_key(manifest)), manifest)
        held: list[LoadedVersion] = []
        try:
            for member in manifest.members:
                held.append(await self._hold((manifest.name, member.version)))
            check_members(manifest, [part.manifest for part in held])
        except BaseException:
            for part in held:
                self._let_go(part.key)
            raise
        return Ensemble(manifest, tuple(held))

    async def _hold(self, key: Key) -> LoadedVersion:
        """Hold one version; loads it once, however many ask and whoever of them leaves."""
        self._holds[key] += 1
        try:
            if key not in self._served:
                await asyncio.shield(self._load_once(key))
            return self._served[key]
        except BaseException:
            self._let_go(key)
            raise

    def _load_once(self, key: Key) -> asyncio.Task[None]:
        if key not in self._loading:
            task = self._loading[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(_mark_as_seen)
        return self._loading[key]

    async def _load(self, key: Key) -> None:
        labels = (key[0], str(key[1]))
        self._metrics.loading.labels(*labels).set(1)
        try:
            if closing := self._closing.get(key):
                await closing  # its last one; two would answer to one name
            started = time.monotonic()
            async with self._one_at_a_time:
                prepared = await asyncio.to_thread(
                    prepare, self._path(key), self._settings, self._counters
                )
        finally:
            self._metrics.loading.labels(*labels).set(0)
            del self._loading[key]
        log.info("model loaded name=%s version=%d seconds=%.2f", *key, time.monotonic() - started)
        self._served[key] = LoadedVersion(prepared, self._settings, self._metrics, self._counters)
        if not self._holds[key]:
            self._drop(key)

    def _let_go(self, key: Key) -> None:
        self._holds[key] -= 1
        if not self._holds[key]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        """Close what is in memory; what is still being loaded is dropped when it is."""
        if (served := self._served.pop(key, None)) is not None:
            self._closing[key] = asyncio.create_task(self._close(served))

    async def _close(self, served: LoadedVersion) -> None:
        try:
            await served.close()
        finally:
            del self._closing[served.key]
        log.info("model left memory name=%s version=%d", *served.key)

    @contextmanager
    def _counted_refusals(self, key: Key) -> Iterator[None]:
        """Let every refusal leave as LoadError, and count it."""
        try:
            yield
        except Exception as error:
            refusal = _load_error(error)
            self._metrics.refused.labels(key[0], str(key[1]), refusal.reason).inc()
            raise refusal from error

    def _path(self, key: Key) -> Path:
        path: Path = version_path(self._settings.models, *key)
        return path


class Lease(AbstractContextManager[Answering]):
    """Holds a version within its block; every request has one, so it is no generator."""

    def __init__(self, memory: VersionCache, version: Answering) -> None:
        self._memory = memory
        self._version = version

    def __enter__(self) -> Answering:
        """Begin to hold it."""
        self._memory.begin(self._version)
        return self._version

    def __exit__(self, *_: object) -> None:
        """End the hold."""
        self._memory.end(self._version)


def _load_error(error: Exception) -> LoadError:
    """An error as the one that callers handle."""
    if isinstance(error, LoadError):
        return error
    if isinstance(error, BundleError):
        return LoadError(error.reason, str(error))
    return LoadError("load_failed", f"{type(error).__name__}: {error}")


def _key(manifest: Manifest) -> Key:
    return manifest.name, manifest.version


def _mark_as_seen(task: asyncio.Task[None]) -> None:
    """For all who asked may have left."""
    if not task.cancelled():
        task.exception()


REFUSED_S = 30.0  # how long a refusal stands before the bundle is looked at again


class OnDemand:
    """Keeps at most so many versions, and takes none away that a request uses."""

    def __init__(self, memory: VersionCache, most: int) -> None:
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

        Waits for room as long as all that is kept is in use. Raises ModelRefused, and Overloaded
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
            raise Overloaded(
                f"{len(self._loading)} versions are being loaded already", retry_after_s=1
            )


def _refusal(key: Key, reason: str, retry_after_s: float) -> ModelRefused:
    name, version = key
    return ModelRefused(
        f"version {version} of {name} did not pass verification: {reason}",
        retry_after_s=retry_after_s,
    )
