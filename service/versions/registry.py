"""The models of a folder: what is released of them is followed, other versions come on demand."""

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
from mirage.service.versions.cache import OnDemand, VersionCache
from mirage.service.versions.release_follower import ReleaseFollower
from mirage.service.versions.releases import ReleasedModel
from mirage.service.versions.version import Answering

log = logging.getLogger(__name__)


WAITING_POLL_S = 0.05  # while other workers prepare a release, so that all switch together


class ModelRegistry:
    """Finds the version that answers a request.

    Open, use and close it on one event loop. `barrier`: where it agrees with the other workers;
    None: it is alone.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        counters: SharedCounters | None = None,
        barrier: ReleaseBarrier | None = None,
    ) -> None:
        self._settings = settings
        self._memory = VersionCache(settings, metrics, counters)
        self._on_demand = OnDemand(self._memory, settings.on_demand_versions)
        self._barrier = barrier
        self.follower = ReleaseFollower(settings, metrics, self._memory, self._on_demand)
        self._models = self.follower.models
        self._closed = False
        self.ready = False

    async def open(self) -> None:
        """Load what is released; raises StartError when what must serve cannot."""
        await self.follower.start(self._barrier or ReleaseBarrier())
        default = self._settings.default_model
        if default is not None and self.released(default) is None:
            raise StartError(f"default_model is {default!r}; it has no released version")
        self.ready = True

    async def follow(self) -> None:
        """Keep up with what is released until cancelled."""
        while True:
            poll_s = self._settings.release_poll_s
            await asyncio.sleep(min(poll_s, WAITING_POLL_S) if self.follower.waits else poll_s)
            try:
                await self.refresh()
            except Exception:  # nothing must end this for ever
                log.exception("releases not followed")

    async def refresh(self) -> None:
        """As `ReleaseFollower.refresh`."""
        await self.follower.refresh()

    async def find(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> Answering:
        """The version that answers a request; loads it if it is asked for by number.

        Raises what `loaded_version` raises, and ModelRefused.
        """
        if (answering := self.loaded_version(name, version, seed, task)) is not None:
            return answering
        assert version is not None  # what is released is at hand
        key = (name or self._default(task), version)
        await self._check_published(*key)
        return self._checked(await self._on_demand.find(key), task)

    def loaded_version(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> Answering | None:
        """The version that answers a request if it is in memory.

        A canary may answer for a seed, or for a number made of a picture; None stands for posted
        latents. `task` is what the model must do; None: whatever it does. Raises NotReady,
        Draining, NoSuchModel, and InvalidValue for a model that does something else, or when none
        is named and several could be meant.
        """
        if self._closed:
            raise Draining("the service is stopping", retry_after_s=1)
        if not self.ready:
            raise NotReady("the models are being loaded", retry_after_s=1)
        name = name or self._default(task)
        if version is None:
            return self._checked(self._chosen(name, seed), task)
        for answering in self._answering(name):
            if answering.manifest.version == version:
                return self._checked(answering, task)
        kept = self._on_demand.get((name, version))
        return None if kept is None else self._checked(kept, task)

    async def lease(
        self,
        name: str | None,
        version: int | None,
        seed: int | None = None,
        task: Task | None = None,
    ) -> AbstractContextManager[Answering]:
        """As `find`; within the block the version stays in memory, whatever is released.

        Enter it before waiting for anything else.
        """
        return self.hold(await self.find(name, version, seed, task))

    def hold(self, answering: Answering) -> AbstractContextManager[Answering]:
        """Keep a version that was found just now in memory within the block."""
        return self._memory.lease(answering)

    async def manifest(self, name: str, version: int | None) -> Manifest:
        """The manifest of a version; reads one that is not in memory from disk, and loads nothing.

        Raises what `find` raises.
        """
        if (answering := self.loaded_version(name, version)) is not None:
            return answering.manifest
        assert version is not None  # what is released is at hand
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
        """A version on disk, by default the one that serves; raises NoSuchModel and NotReady."""
        if version is None:
            version = self._chosen(name, None).manifest.version
        await self._check_published(name, version)
        return version

    async def versions(self, name: str) -> list[int]:
        """The versions of a model on disk; none when there is no such model.

        Raises NotReady when that cannot be told: the folder cannot be read, or what serves is gone.
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
        """The models that have a version in memory."""
        return {served.manifest.name for served in self._memory.everything()}

    def get(self, name: str) -> ReleasedModel | None:
        """A model as far as it is followed."""
        return self._models.get(name)

    def released(self, name: str) -> int | None:
        """The version of a model that serves, if any."""
        model = self._models.get(name)
        return model.released.manifest.version if model and model.released else None

    def is_default(self, name: str) -> bool:
        """Whether a model answers requests that name none, and that it is able to answer."""
        if (task := self._task(name)) is None:
            return name == self._settings.default_model
        return self._candidates(task) == [name]

    def loaded(self, name: str) -> list[Answering]:
        """The versions of a model in memory, ensembles and their members among them."""
        found = {answering.manifest.version: answering for answering in self._answering(name)}
        for version in (*self._on_demand.versions(), *self._memory.everything()):
            if version.manifest.name == name:
                found.setdefault(version.manifest.version, version)
        return list(found.values())

    def running_s(self) -> float:
        """How long the longest run of an engine takes already; 0 when all rest."""
        return max((served.running_s() for served in self._memory.everything()), default=0.0)

    def is_lost(self) -> bool:
        """Whether an engine can run in a new process only."""
        return any(served.is_lost() for served in self._memory.everything())

    def is_saturated(self) -> bool:
        """Whether an engine that takes turns with the event loop has enough for the next ones."""
        return any(served.is_saturated() for served in self._memory.everything())

    def check_room(self, allowed_s: float, task: Task = "generate") -> None:
        """Raise Overloaded if no version in memory could make one more image in so many seconds."""
        retry_after_s = None
        for served in self._memory.everything():
            if served.manifest.task != task:
                continue
            try:
                served.check_room(allowed_s)
            except (Overloaded, DeadlineUnreachable) as error:
                retry_after_s = error.retry_after_s
            else:
                return
        if retry_after_s is not None:
            raise Overloaded(
                "more images are asked for than can be made in time", retry_after_s=retry_after_s
            )

    async def close(self) -> None:
        """Take nothing more and finish what is queued."""
        self._closed, self.ready = True, False
        await self.follower.close()
        await self._on_demand.close()
        await self._memory.close()

    def _answering(self, name: str) -> list[Answering]:
        model = self._models.get(name)
        return model.answering() if model else []

    def _chosen(self, name: str, seed: int | None) -> Answering:
        model = self._models.get(name)
        chosen = model.choose(seed) if model else None
        if chosen is None:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}")
        return chosen

    def all_released(self, task: Task | None = None) -> list[str]:
        """The names of the models that serve, of one task or of all."""
        return sorted(
            name
            for name, model in self._models.items()
            if model.released and task in (None, model.released.manifest.task)
        )

    def _task(self, name: str) -> Task | None:
        """What a model does, if a version of it serves."""
        model = self._models.get(name)
        return model.released.manifest.task if model and model.released else None

    def _checked(self, answering: Answering, task: Task | None) -> Answering:
        """The version, if its model does what is wanted."""
        manifest = answering.manifest
        if task in (None, manifest.task):
            return answering
        fitting = ", ".join(self.all_released(task)) or "none"
        raise InvalidValue.of(
            "model",
            f"model is {manifest.name}, whose task is {manifest.task}: POST /{manifest.task} takes"
            f" it; for {task}, released are {fitting}",
        )

    def _candidates(self, task: Task | None) -> list[str]:
        """The models that may be meant when none is named."""
        default = self._settings.default_model
        if default is not None and (task is None or self._task(default) in (None, task)):
            return [default]
        return self.all_released(task)

    def _default(self, task: Task | None) -> str:
        names = self._candidates(task)
        if len(names) > 1:
            raise InvalidValue.of("model", f"model is absent; name one of {', '.join(names)}")
        if not names:
            released = ", ".join(self.all_released())
            others = f" for {task}; released are {released}" if task and released else ""
            raise NoSuchModel(f"no model is released{others}; name a model and a version")
        return names[0]

    def _known(self) -> str:
        return f"released are {', '.join(self.all_released()) or 'none'}"

    async def _check_published(self, name: str, version: int) -> None:
        """Raise NoSuchModel unless the version is on disk, NotReady when that cannot be told."""
        versions = await self.versions(name)
        if not versions:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}")
        if version not in versions:
            published = ", ".join(map(str, versions)) or "none"
            raise NoSuchModel(f"version is {version}; of {name} published are {published}")


def _unreadable() -> NotReady:
    return NotReady("the folder of models cannot be read at the moment", retry_after_s=1)
