"""The models of a folder. Released versions are followed; others are loaded on demand."""

import asyncio
import logging
from contextlib import AbstractContextManager

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest, Task
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import list_models, list_versions, version_path
from mirage.service.errors import (
    DeadlineUnreachable,
    Draining,
    InvalidValue,
    ModelRefused,
    NoSuchModel,
    NotReady,
    Overloaded,
    StartError,
)
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.cache import OnDemandVersions, VersionCache
from mirage.service.versions.named_directions import DirectionFiles
from mirage.service.versions.release_follower import ReleaseFollower
from mirage.service.versions.releases import ReleasedModel
from mirage.service.versions.version import Servable

log = logging.getLogger(__name__)


# Poll interval while other workers load a release: bounds the time between their switches.
WAITING_POLL_S = 0.05


class ModelRegistry:
    """Finds the version that answers a request.

    Open, use and close it on one event loop. Several workers agree on releases at the `barrier`.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        counters: SharedCounters | None = None,
        barrier: ReleaseBarrier | None = None,
    ) -> None:
        self._settings = settings
        self._cache = VersionCache(settings, metrics, counters)
        self._on_demand = OnDemandVersions(self._cache, settings.on_demand_versions)
        self._barrier = barrier
        self.directions = DirectionFiles(settings.models)
        self.follower = ReleaseFollower(settings, metrics, self._cache, self._on_demand)
        self._models = self.follower.models
        self._closed = False
        self.ready = False

    async def open(self) -> None:
        """Load the released versions. Raises StartError if the default model cannot be served."""
        await self.follower.start(self._barrier or ReleaseBarrier())
        await asyncio.to_thread(self.directions.refresh)
        default = self._settings.default_model
        if default is not None and self.released(default) is None:
            raise StartError(f"default_model is {default!r}; it has no released version")
        self.ready = True

    async def follow(self) -> None:
        """Poll for changed releases until cancelled."""
        while True:
            poll_s = self._settings.release_poll_s
            is_waiting = self.follower.is_waiting
            await asyncio.sleep(min(poll_s, WAITING_POLL_S) if is_waiting else poll_s)
            try:
                await self.refresh()
            except Exception:  # the next poll may succeed
                log.exception("releases not followed")

    async def refresh(self) -> None:
        """See `ReleaseFollower.refresh` and `DirectionFiles.refresh`."""
        await self.follower.refresh()
        await asyncio.to_thread(self.directions.refresh)

    async def find(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> Servable:
        """Return the version that answers a request, and load it if needed.

        Raises the errors of `loaded_version`, and ModelRefused.
        """
        if (servable := self.loaded_version(name, version, seed, task)) is not None:
            return servable
        assert version is not None  # released versions are in memory
        key = (name or self._default(task), version)
        await self._check_published(*key)
        return self._checked(await self._on_demand.get_or_load(key), task)

    def loaded_version(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> Servable | None:
        """Return the version that answers a request, or None if it is not in memory.

        Without a `version`, the canary answers its share of the seeds; `seed` is None for posted
        latents, and a hash of the bytes for pictures. `task` is what the request needs; None means
        any. Raises NotReady, Draining, NoSuchModel, and InvalidValue if the model has another task,
        or if `name` is None and there is no default model.
        """
        if self._closed:
            raise Draining("the service is stopping", retry_after_s=1)
        if not self.ready:
            raise NotReady("the models are being loaded", retry_after_s=1)
        name = name or self._default(task)
        if version is None:
            return self._checked(self._released(name, seed), task)
        for servable in self._servables(name):
            if servable.manifest.version == version:
                return self._checked(servable, task)
        kept = self._on_demand.get((name, version))
        return None if kept is None else self._checked(kept, task)

    async def lease(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> AbstractContextManager[Servable]:
        """Like `find`, as a context manager that keeps the version in memory.

        Enter it before awaiting anything else.
        """
        return self.hold(await self.find(name, version, seed, task))

    def hold(self, servable: Servable) -> AbstractContextManager[Servable]:
        """Return a context manager that keeps a version in memory.

        Enter it before awaiting anything after the version was found.
        """
        return self._cache.lease(servable)

    async def manifest(self, name: str, version: int | None) -> Manifest:
        """Return the manifest of a version, from disk if it is not in memory.

        Raises the errors of `find`.
        """
        if (servable := self.loaded_version(name, version)) is not None:
            return servable.manifest
        assert version is not None  # released versions are in memory
        await self._check_published(name, version)
        self._on_demand.check_refused((name, version))
        path = version_path(self._settings.models, name, version)
        try:
            return await asyncio.to_thread(read_manifest, path)
        except BundleError as error:
            log.error("manifest refused name=%s version=%d: %s", name, version, error)
            raise ModelRefused(
                f"version {version} of {name} did not pass verification: {error.reason}"
            ) from error

    async def published(self, name: str, version: int | None) -> int:
        """Check that a version is on disk, and return its number; None is the released version.

        Raises NoSuchModel and NotReady.
        """
        if version is None:
            version = self._released(name, None).manifest.version
        await self._check_published(name, version)
        return version

    async def versions(self, name: str) -> list[int]:
        """Return the versions of a model on disk; an empty list if there is no such model.

        Raises NotReady if the folder cannot be read, or if it lacks a model that is in memory.
        """
        root = self._settings.models
        try:
            return await asyncio.to_thread(list_versions, root, name)
        except BundleError as error:
            if error.reason == "name_invalid":
                return []
        try:
            await asyncio.to_thread(list_models, root)
        except BundleError:
            raise _unreadable() from None
        if self.loaded(name):
            raise _unreadable()
        return []

    def names(self) -> set[str]:
        """Return the names of the models with a version in memory."""
        return {version.manifest.name for version in self._cache.versions()}

    def get(self, name: str) -> ReleasedModel | None:
        """Return a model whose releases are followed."""
        return self._models.get(name)

    def has_release(self) -> bool:
        """Whether any model has a released version."""
        return any(model.released for model in self._models.values())

    def released(self, name: str) -> int | None:
        """Return the released version of a model, if any."""
        model = self._models.get(name)
        return model.released.manifest.version if model and model.released else None

    def is_default(self, name: str) -> bool:
        """Whether a model answers requests for its task that name no model."""
        if (task := self._task(name)) is None:
            return name == self._settings.default_model
        return self._candidates(task) == [name]

    def loaded(self, name: str) -> list[Servable]:
        """Return the versions of a model in memory, including ensembles and their members."""
        found = {servable.manifest.version: servable for servable in self._servables(name)}
        for version in (*self._on_demand.versions(), *self._cache.versions()):
            if version.manifest.name == name:
                found.setdefault(version.manifest.version, version)
        return list(found.values())

    def running_s(self) -> float:
        """Return how long the longest running batch has been running; 0 if none runs."""
        return max((version.running_s() for version in self._cache.versions()), default=0.0)

    def is_lost(self) -> bool:
        """Whether an engine can only run in a new process."""
        return any(version.is_lost() for version in self._cache.versions())

    def is_saturated(self) -> bool:
        """See `Batcher.is_saturated`, for any version."""
        return any(version.is_saturated() for version in self._cache.versions())

    def check_room(self, allowed_s: float, task: Task = "generate") -> None:
        """Raise Overloaded if no version of a task can make another image in `allowed_s`."""
        retry_after_s = None
        for version in self._cache.versions():
            if version.manifest.task != task:
                continue
            try:
                version.check_room(allowed_s)
            except (Overloaded, DeadlineUnreachable) as error:
                retry_after_s = error.retry_after_s
            else:
                return
        if retry_after_s is not None:
            raise Overloaded(
                "the queued images take longer than the allowed time", retry_after_s=retry_after_s
            )

    async def close(self) -> None:
        """Reject new requests and finish the queued ones."""
        self._closed, self.ready = True, False
        await self.follower.close()
        await self._on_demand.close()
        await self._cache.close()

    def _servables(self, name: str) -> list[Servable]:
        model = self._models.get(name)
        return model.servables() if model else []

    def _released(self, name: str, seed: int | None) -> Servable:
        model = self._models.get(name)
        chosen = model.choose(seed) if model else None
        if chosen is None:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}")
        return chosen

    def _all_released(self, task: Task | None = None) -> list[str]:
        return sorted(
            name
            for name, model in self._models.items()
            if model.released and task in (None, model.released.manifest.task)
        )

    def _task(self, name: str) -> Task | None:
        """Return the task of a model, or None if no version of it is released."""
        model = self._models.get(name)
        return model.released.manifest.task if model and model.released else None

    def _checked(self, servable: Servable, task: Task | None) -> Servable:
        """Return the version. Raises InvalidValue if it has another task."""
        manifest = servable.manifest
        if task in (None, manifest.task):
            return servable
        fitting = ", ".join(self._all_released(task)) or "none"
        raise InvalidValue.of(
            "model",
            f"model is {manifest.name}, whose task is {manifest.task}: use POST /{manifest.task};"
            f" the released models for {task} are {fitting}",
        )

    def _candidates(self, task: Task | None) -> list[str]:
        """Return the models that may answer a request that names none."""
        default = self._settings.default_model
        if default is not None and (task is None or self._task(default) in (None, task)):
            return [default]
        return self._all_released(task)

    def _default(self, task: Task | None) -> str:
        names = self._candidates(task)
        if len(names) > 1:
            raise InvalidValue.of("model", f"model is absent; name one of {', '.join(names)}")
        if not names:
            of_task = f" for {task}" if task and self._all_released() else ""
            raise NoSuchModel(f"no model{of_task} is released; request a model and a version")
        return names[0]

    def _known(self) -> str:
        return f"the released models are {', '.join(self._all_released()) or 'none'}"

    async def _check_published(self, name: str, version: int) -> None:
        """Raise NoSuchModel if the version is not on disk, NotReady if that cannot be checked."""
        versions = await self.versions(name)
        if not versions:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}")
        if version not in versions:
            published = ", ".join(map(str, versions)) or "none"
            raise NoSuchModel(f"version is {version}; the versions of {name} are {published}")


def _unreadable() -> NotReady:
    return NotReady("the folder of models cannot be read at the moment", retry_after_s=1)
