"""Follows the releases of all models, in step with the other workers."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_models
from mirage.bundle.store.release import Release
from mirage.service.errors import StartError
from mirage.service.settings import Settings
from mirage.service.sharing.release_barrier import Decision, ReleaseBarrier
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.cache import OnDemandVersions, VersionCache
from mirage.service.versions.models_folder import check_models_folder
from mirage.service.versions.releases import Found, ReleasedModel, Releases

log = logging.getLogger(__name__)


class ReleaseFollower:
    """Loads changed releases, and serves them once all workers have loaded them.

    Calls `when_behind` once if the other workers serve a release that this one cannot: only a new
    process can then serve it. Use it on one event loop, one call at a time.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, cache: VersionCache, on_demand: OnDemandVersions
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cache = cache
        self._on_demand = on_demand
        self._releases = Releases(settings.models)
        self._barrier: ReleaseBarrier | None = None
        self._readable = True
        self.models: dict[str, ReleasedModel] = {}
        self.is_behind = False
        self.when_behind: Callable[[], object] = lambda: None

    @property
    def is_waiting(self) -> bool:
        """Whether a release is loaded that other workers may still be loading."""
        return any(model.is_waiting for model in self.models.values())

    async def start(self, barrier: ReleaseBarrier) -> None:
        """Serve the releases of the other workers, or what is released if there are none.

        Raises StartError if the default model, or any model without a default, cannot be served;
        of those that the others do not serve either, only if there are no others.
        """
        root, default = self._settings.models, self._settings.default_model
        try:
            names = await asyncio.to_thread(list_models, root)
            found = await asyncio.to_thread(self._releases.changes)
        except BundleError as error:
            check_models_folder(root)
            raise StartError(f"models is {root}; {error}") from None
        if default is not None and default not in names:
            raise StartError(
                f"default_model is {default!r}; {root} holds {', '.join(names) or 'no models'}"
            )
        self._barrier = barrier
        decisions = await asyncio.to_thread(barrier.decisions)
        for name in sorted({*found, *decisions}):
            if (decision := decisions.get(name)) is None:
                await self._change(name, found[name])
            else:
                await self._catch_up(name, decision)
            if not decisions and default in (None, name):
                _check_started(self.models[name])
        while behind := await self._agree():
            for name, decision in behind.items():
                await self._catch_up(name, decision)

    async def refresh(self) -> None:
        """Load changed releases. A release that cannot be read or loaded changes nothing."""
        for name, wanted in (await self._changes()).items():
            try:
                await self._change(name, wanted)
            except Exception:  # each change is reported once: go on with the other models
                log.exception("release not followed name=%s", name)
        for model in self.models.values():
            await model.retry()
        if (behind := await self._agree()) and not self.is_behind:
            self.is_behind = True
            for name, decision in behind.items():
                log.error(
                    "worker is behind name=%s version=%d: it cannot serve what the others serve",
                    *(name, decision.release.version),
                )
            self.when_behind()

    async def close(self) -> None:
        """Leave the barrier, so that no other worker waits for this one."""
        if self._barrier is not None:
            await asyncio.to_thread(self._barrier.leave)

    async def _changes(self) -> dict[str, Found]:
        try:
            changes = await asyncio.to_thread(self._releases.changes)
        except BundleError as error:
            if self._readable:
                log.error("models not read; the loaded versions stay in use: %s", error)
            self._set_readable(False)
            return {}
        self._set_readable(True)
        return changes

    def _set_readable(self, readable: bool) -> None:
        self._readable = readable
        self._metrics.models_unreadable.set(not readable)

    async def _change(self, name: str, wanted: Found) -> None:
        """Load the new release of a model, and discard its earlier pending one."""
        model = self.models.setdefault(name, ReleasedModel(name, self._cache, self._metrics))
        if model.pending is not None:
            # Withdraw the vote first: the others may decide for the pending release until then.
            await self._agree(without=name)
            model.discard()
        if isinstance(wanted, Release):
            await model.follow(replace(wanted, previous=None))
        elif wanted is not None:
            model.refuse_file(wanted.reason, str(wanted))
        elif model.released is not None:
            model.refuse_file(
                "release_missing", "release.json is missing; the released version stays in use"
            )

    async def _catch_up(self, name: str, decision: Decision) -> None:
        """Load what the other workers serve. Raises StartError if that fails."""
        self._releases.forget(name)  # read the file again: it may name a later release
        await self._change(name, decision.release)
        pending, refusal = self.models[name].pending, self.models[name].refusal
        if pending is None or pending.level < decision.level:
            raise StartError(
                f"model {name} is served by other workers and was refused"
                f" ({refusal.reason if refusal else 'unknown'}):"
                f" {refusal.message if refusal else ''}"
            )

    async def _agree(self, without: str | None = None) -> dict[str, Decision]:
        """Vote for the pending releases of all models but one, and serve what is decided.

        Returns the decisions that this worker cannot serve.
        """
        if self._barrier is None:
            return {}
        votes = {
            name: vote
            for name, model in self.models.items()
            if name != without and (vote := model.vote()) is not None
        }
        decisions = await asyncio.to_thread(self._barrier.vote, votes)
        behind = {}
        for name, decision in decisions.items():
            model = self.models.get(name)
            if model is None or not model.serve(decision):
                behind[name] = decision
                continue
            for servable in model.servables():
                self._on_demand.forget((name, servable.manifest.version))
        return behind


def _check_started(model: ReleasedModel) -> None:
    refusal = model.refusal
    if refusal is not None and not refusal.of_canary:
        raise StartError(f"model {model.name} was refused ({refusal.reason}): {refusal.message}")
