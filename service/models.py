"""The models in memory, by name and version: released ones from the start, others on demand."""

import asyncio
import logging
import time
from collections import OrderedDict
from pathlib import Path

from bundle.errors import BundleError
from bundle.store import list_models, list_versions, read_release, version_path
from service.errors import Draining, InvalidValue, ModelRefused, NoSuchModel, NotReady
from service.metrics import Metrics
from service.served import LoadError, Served, prepare
from service.settings import Settings

log = logging.getLogger(__name__)

Key = tuple[str, int]  # name and version
REFUSED_S = 30.0  # how long a refusal stands before the bundle is looked at again


class StartError(Exception):
    """The models that must serve do not; the message is for operators."""


class Models:
    """Finds the served version of a model, and loads versions that are asked for by number.

    Open, use and close it on one event loop.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._served: dict[Key, Served] = {}  # the released ones
        self._on_demand: OrderedDict[Key, Served] = OrderedDict()  # least used first
        self._released: dict[str, int] = {}
        self._loading: dict[Key, asyncio.Task[Served]] = {}
        self._refused: dict[Key, tuple[float, str]] = {}  # until when, and why
        self._one_at_a_time = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self.ready = False

    async def open(self) -> None:
        """Load what is released; raises StartError when what must serve cannot."""
        root, default = self._settings.models, self._settings.default_model
        try:
            names = await asyncio.to_thread(list_models, root)
        except BundleError as error:
            raise StartError(f"models is {root}; {error}") from None
        if default is not None and default not in names:
            raise StartError(
                f"default_model is {default!r}; {root} holds {', '.join(names) or 'no models'}"
            )
        for name in names:
            await self._open_released(name, required=default in (None, name))
        if default is not None and default not in self._released:
            raise StartError(f"default_model is {default!r}; it has no released version")
        self.ready = True

    async def find(self, name: str | None, version: int | None) -> Served:
        """The version that answers a request; loads it if it is asked for by number.

        Raises NotReady, Draining, NoSuchModel, ModelRefused, and InvalidValue when no model is
        named and several could be meant.
        """
        if self._closed:
            raise Draining("the service is stopping", retry_after_s=1)
        if not self.ready:
            raise NotReady("the models are being loaded", retry_after_s=1)
        name = name or self._default()
        key = (name, version or self._released_version(name))
        if (served := self._in_memory(key)) is not None:
            return served
        await self._check_published(*key)
        # It may have been loaded while the disk was asked.
        return self._in_memory(key) or await self._load_on_demand(key)

    async def published(self, name: str, version: int | None) -> int:
        """A version on disk, by default the one that serves; raises NoSuchModel."""
        version = version or self._released_version(name)
        await self._check_published(name, version)
        return version

    def released(self, name: str) -> int | None:
        """The version of a model that serves, if any."""
        return self._released.get(name)

    def is_default(self, name: str) -> bool:
        """Whether a model answers requests that name none."""
        default = self._settings.default_model
        return name == default or (default is None and [*self._released] == [name])

    def loaded(self, name: str) -> list[Served]:
        """The versions of a model in memory."""
        everyone = [*self._served.values(), *self._on_demand.values()]
        return [served for served in everyone if served.manifest.name == name]

    async def close(self) -> None:
        """Take nothing more and finish what is queued."""
        self._closed, self.ready = True, False
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        everyone = [*self._served.values(), *self._on_demand.values()]
        await asyncio.gather(*self._closing, *(served.close() for served in everyone))

    async def _open_released(self, name: str, *, required: bool) -> None:
        """Load the released version of a model, if it has one; what is required must work."""
        root = self._settings.models
        try:
            release = await asyncio.to_thread(read_release, root, name)
            if release is not None:
                self._served[name, release.version] = await self._load((name, release.version))
                self._released[name] = release.version
        except (BundleError, LoadError) as error:
            if required:
                raise StartError(f"model {name} was refused ({error.reason}): {error}") from error
            log.error("model refused name=%s reason=%s: %s", name, error.reason, error)

    def _in_memory(self, key: Key) -> Served | None:
        if key in self._on_demand:
            self._on_demand.move_to_end(key)
            return self._on_demand[key]
        return self._served.get(key)

    def _default(self) -> str:
        if self._settings.default_model is not None:
            return self._settings.default_model
        names = sorted(self._released)
        if len(names) > 1:
            raise InvalidValue.of("model", f"model is absent; name one of {', '.join(names)}")
        if not names:
            raise NoSuchModel("no model is released; name a model and a version")
        return names[0]

    def _released_version(self, name: str) -> int:
        version = self._released.get(name)
        if version is None:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}")
        return version

    def _known(self) -> str:
        return f"released are {', '.join(sorted(self._released)) or 'none'}"

    async def _load_on_demand(self, key: Key) -> Served:
        """Load a version once, however many ask for it and whoever of them leaves."""
        self._check_refused(key)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._admit(key))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: Key, task: asyncio.Task[Served]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # marks it as seen, for all who asked may have left

    async def _check_published(self, name: str, version: int) -> None:
        """Raise NoSuchModel unless the version is on disk."""
        try:
            versions = await asyncio.to_thread(list_versions, self._settings.models, name)
        except BundleError:
            raise NoSuchModel(f"model is {name!r:.100}; {self._known()}") from None
        if version not in versions:
            published = ", ".join(map(str, versions)) or "none"
            raise NoSuchModel(f"version is {version}; of {name} published are {published}")

    def _check_refused(self, key: Key) -> None:
        until, reason = self._refused.get(key, (0.0, ""))
        if (wait_s := until - time.monotonic()) > 0:
            raise _refusal(key, reason, wait_s)

    async def _admit(self, key: Key) -> Served:
        """Load a version for those who ask for it by number, and let the least used one go."""
        try:
            served = await self._load(key)
        except LoadError as error:
            log.error("model refused name=%s version=%d reason=%s: %s", *key, error.reason, error)
            self._refused[key] = (time.monotonic() + REFUSED_S, error.reason)
            raise _refusal(key, error.reason, REFUSED_S) from error
        self._on_demand[key] = served
        if len(self._on_demand) > self._settings.on_demand_versions:
            _, oldest = self._on_demand.popitem(last=False)
            task = asyncio.create_task(oldest.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return served

    async def _load(self, key: Key) -> Served:
        started = time.monotonic()
        path: Path = version_path(self._settings.models, *key)
        try:
            async with self._one_at_a_time:
                prepared = await asyncio.to_thread(prepare, path, self._settings)
        except LoadError as error:
            self._metrics.refused.labels(key[0], str(key[1]), error.reason).inc()
            raise
        seconds = time.monotonic() - started
        log.info("model loaded name=%s version=%d seconds=%.2f", *key, seconds)
        return Served(prepared, self._settings, self._metrics)


def _refusal(key: Key, reason: str, retry_after_s: float) -> ModelRefused:
    name, version = key
    return ModelRefused(
        f"version {version} of {name} did not pass verification: {reason}",
        retry_after_s=retry_after_s,
    )
