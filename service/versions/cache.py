"""The cache of versions in memory: loads them once, counts references, evicts the unused."""

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
from mirage.service.versions.version import Ensemble, Key, LoadedVersion, Servable

log = logging.getLogger(__name__)


class VersionCache:
    """Loads versions and unloads them with their last reference. Use it on one event loop.

    `load` returns a version with a reference for the caller, which ends with `drop`. Requests take
    references with `lease`. Therefore a version is never closed while a request uses it.
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
        self._versions: dict[Key, LoadedVersion] = {}
        self._references: Counter[Key] = Counter()  # including those of leases
        self._leases: Counter[Key] = Counter()
        self._loading: dict[Key, asyncio.Task[None]] = {}
        self._closing: dict[Key, asyncio.Task[None]] = {}
        self._load_lock = asyncio.Lock()
        self.lease_ended = asyncio.Event()

    async def load(self, key: Key) -> Servable:
        """Return a version with a new reference, an ensemble with its members. Raises LoadError."""
        with self._counting_failures(key):
            if key in self._versions or key in self._loading:
                return await self._acquire(key)
            manifest = await asyncio.to_thread(read_manifest, self._path(key))
            if manifest.members:
                return await self._load_ensemble(manifest)
            return await self._acquire(key)

    def acquire(self, version: Servable) -> None:
        """Add a reference to a version that has one already."""
        for member in version.members:
            self._references[member.key] += 1

    def drop(self, version: Servable) -> None:
        """End a reference. With the last one, the version finishes its queue and is unloaded."""
        for member in version.members:
            self._drop(member.key)

    def lease(self, version: Servable) -> AbstractContextManager[Servable]:
        """Return a context manager that keeps a version in memory for a request."""
        return Lease(self, version)

    def begin_lease(self, version: Servable) -> None:
        """Add the reference of a request."""
        for member in version.members:
            self._references[member.key] += 1
            self._leases[member.key] += 1

    def end_lease(self, version: Servable) -> None:
        """End the reference of a request."""
        for member in version.members:
            self._leases[member.key] -= 1
            self._drop(member.key)
        self.lease_ended.set()

    def is_leased(self, version: Servable) -> bool:
        """Whether a request uses a version."""
        return any(self._leases[member.key] for member in version.members)

    def versions(self) -> list[LoadedVersion]:
        """Return the versions in memory, without those that are being unloaded."""
        return list(self._versions.values())

    async def close(self) -> None:
        """Finish the queues and unload all versions."""
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        for key in list(self._versions):
            self._unload(key)
        await asyncio.gather(*self._closing.values())

    async def _load_ensemble(self, manifest: Manifest) -> Ensemble:
        await asyncio.to_thread(verify_ensemble, self._path(_key(manifest)), manifest)
        members: list[LoadedVersion] = []
        try:
            for member in manifest.members:
                members.append(await self._acquire((manifest.name, member.version)))
            check_members(manifest, [member.manifest for member in members])
        except BaseException:
            for loaded in members:
                self._drop(loaded.key)
            raise
        return Ensemble(manifest, tuple(members))

    async def _acquire(self, key: Key) -> LoadedVersion:
        """Add a reference to a version, and load it unless it is loaded or being loaded.

        Loading goes on if this caller is cancelled, because others may wait for it too.
        """
        self._references[key] += 1
        try:
            if key not in self._versions:
                await asyncio.shield(self._load_once(key))
            return self._versions[key]
        except BaseException:
            self._drop(key)
            raise

    def _load_once(self, key: Key) -> asyncio.Task[None]:
        if key not in self._loading:
            task = self._loading[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(_retrieve_exception)
        return self._loading[key]

    async def _load(self, key: Key) -> None:
        labels = (key[0], str(key[1]))
        self._metrics.loading.labels(*labels).set(1)
        try:
            if closing := self._closing.get(key):
                await closing  # both would use the same labels of metrics
            started = time.monotonic()
            async with self._load_lock:
                log.info("model is loading name=%s version=%d", *key)
                prepared = await asyncio.to_thread(
                    prepare, self._path(key), self._settings, self._counters
                )
        finally:
            self._metrics.loading.labels(*labels).set(0)
            del self._loading[key]
        log.info("model loaded name=%s version=%d seconds=%.2f", *key, time.monotonic() - started)
        self._versions[key] = LoadedVersion(prepared, self._settings, self._metrics, self._counters)
        if not self._references[key]:
            self._unload(key)

    def _drop(self, key: Key) -> None:
        self._references[key] -= 1
        if not self._references[key]:
            self._unload(key)

    def _unload(self, key: Key) -> None:
        """Close a version in memory. One that is being loaded is unloaded when it is loaded."""
        if (version := self._versions.pop(key, None)) is not None:
            self._closing[key] = asyncio.create_task(self._close(version))

    async def _close(self, version: LoadedVersion) -> None:
        try:
            await version.close()
        finally:
            del self._closing[version.key]
        log.info("model unloaded name=%s version=%d", *version.key)

    @contextmanager
    def _counting_failures(self, key: Key) -> Iterator[None]:
        """Convert every exception to LoadError, and count it."""
        try:
            yield
        except Exception as error:
            failure = _load_error(error)
            self._metrics.refused.labels(key[0], str(key[1]), failure.reason).inc()
            raise failure from error

    def _path(self, key: Key) -> Path:
        path: Path = version_path(self._settings.models, *key)
        return path


class Lease(AbstractContextManager[Servable]):
    """Keeps a version in memory within its block.

    A class, because every request has one and a generator takes longer.
    """

    def __init__(self, cache: VersionCache, version: Servable) -> None:
        self._cache = cache
        self._version = version

    def __enter__(self) -> Servable:
        """Begin the lease."""
        self._cache.begin_lease(self._version)
        return self._version

    def __exit__(self, *_: object) -> None:
        """End the lease."""
        self._cache.end_lease(self._version)


def _load_error(error: Exception) -> LoadError:
    if isinstance(error, LoadError):
        return error
    if isinstance(error, BundleError):
        return LoadError(error.reason, str(error))
    return LoadError("load_failed", f"{type(error).__name__}: {error}")


def _key(manifest: Manifest) -> Key:
    return manifest.name, manifest.version


def _retrieve_exception(task: asyncio.Task[None]) -> None:
    """Mark the exception as retrieved: asyncio logs it otherwise if all callers have left."""
    if not task.cancelled():
        task.exception()


# Seconds after which a refused version may be loaded again: verification takes about a second, and
# clients can ask for it as often as they like.
REFUSED_S = 30.0


class OnDemandVersions:
    """Keeps a limited number of versions that clients ask for by number.

    A version that is loaded evicts the least recently used one that no request uses.
    """

    def __init__(self, cache: VersionCache, limit: int) -> None:
        self._cache = cache
        self._limit = limit
        self._kept: OrderedDict[Key, Servable] = OrderedDict()  # least recently used first
        self._loading: dict[Key, asyncio.Task[None]] = {}
        self._refused: dict[Key, tuple[float, str]] = {}  # until when, and why
        self._load_lock = asyncio.Lock()

    def get(self, key: Key) -> Servable | None:
        """Return a version that is kept, and mark it as used."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    async def get_or_load(self, key: Key) -> Servable:
        """Return a version, and load it unless it is kept or being loaded.

        Waits while requests use all kept versions. Raises ModelRefused, and Overloaded if as many
        versions as may be kept are being loaded.
        """
        while (version := self.get(key)) is None:
            self.check_refused(key)
            if key not in self._loading:
                self._check_limit()
                task = self._loading[key] = asyncio.create_task(self._load(key))
                task.add_done_callback(_retrieve_exception)
            await asyncio.shield(self._loading[key])
        return version

    def forget(self, key: Key) -> None:
        """Drop a version, if it is kept: another owner has a reference to it."""
        if (version := self._kept.pop(key, None)) is not None:
            self._cache.drop(version)

    def check_refused(self, key: Key) -> None:
        """Raise ModelRefused if a version was refused within the last 30 s."""
        until, reason = self._refused.get(key, (0.0, ""))
        if (wait_s := until - time.monotonic()) > 0:
            raise _refusal(key, reason, wait_s)

    def versions(self) -> list[Servable]:
        """Return the versions that are kept."""
        return list(self._kept.values())

    async def close(self) -> None:
        """Cancel loading: it may wait for a version to evict."""
        for task in self._loading.values():
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)

    async def _load(self, key: Key) -> None:
        try:
            async with self._load_lock:
                await self._evict()
                self._kept[key] = await self._cache.load(key)
        except LoadError as error:
            log.error("model refused name=%s version=%d reason=%s: %s", *key, error.reason, error)
            self._refused[key] = (time.monotonic() + REFUSED_S, error.reason)
            raise _refusal(key, error.reason, REFUSED_S) from error
        finally:
            del self._loading[key]

    async def _evict(self) -> None:
        while len(self._kept) >= self._limit:
            unused = (key for key, kept in self._kept.items() if not self._cache.is_leased(kept))
            if (oldest := next(unused, None)) is not None:
                self.forget(oldest)
            else:
                self._cache.lease_ended.clear()
                await self._cache.lease_ended.wait()

    def _check_limit(self) -> None:
        if len(self._loading) >= self._limit:
            raise Overloaded(
                f"{len(self._loading)} versions are being loaded already", retry_after_s=1
            )


def _refusal(key: Key, reason: str, retry_after_s: float) -> ModelRefused:
    name, version = key
    return ModelRefused(
        f"version {version} of {name} did not pass verification: {reason}",
        retry_after_s=retry_after_s,
    )
