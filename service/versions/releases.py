"""The released version and the canary of a model, as `release.json` names them."""

import logging
import time
from dataclasses import replace
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.latents import takes_canary
from mirage.bundle.store.layout import list_models
from mirage.bundle.store.release import Release, check_canary, read_release
from mirage.service.sharing.release_barrier import Decision, Level, Vote
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.cache import VersionCache
from mirage.service.versions.loading import LoadError
from mirage.service.versions.pending_release import PendingRelease, Refusal
from mirage.service.versions.version import Servable

log = logging.getLogger(__name__)

RELEASED = "ok"  # the outcome of a release in metrics; refused releases have their reason


class ReleasedModel:
    """Loads the release of a model as pending, and serves it once the workers have decided.

    A refused release does not affect the versions in use.
    """

    def __init__(self, name: str, cache: VersionCache, metrics: Metrics) -> None:
        self.name = name
        self._cache = cache
        self._metrics = metrics
        self.released: Servable | None = None
        self.canary: Servable | None = None
        self.share = 0.0
        self.refusal: Refusal | None = None
        self.pending: PendingRelease | None = None
        self._serves: Decision | None = None
        self._loading: int | None = None

    @property
    def loading(self) -> int | None:
        """The version that is being loaded, or that is loaded but not served yet."""
        waiting = [] if self.pending is None else self.pending.versions
        serving = [_number(version) for version in self.servables()]
        numbers = [number for v in waiting if (number := _number(v)) not in serving]
        return self._loading or next(iter(numbers), None)

    def choose(self, seed: int | None) -> Servable | None:
        """Return the version for a seed. Posted latents (None) always get the released version."""
        if self.canary is None or seed is None or not takes_canary(self.name, seed, self.share):
            return self.released
        return self.canary

    def servables(self) -> list[Servable]:
        """Return the released version and the canary, as far as there are any."""
        return [version for version in (self.released, self.canary) if version is not None]

    async def follow(self, wanted: Release) -> None:
        """Load a release as the pending one."""
        self.discard()
        self._set_refusal(None)
        self.pending = await self._prepare(wanted)

    async def retry(self) -> None:
        """Load the pending release again if it was refused for a temporary reason."""
        if (old := self.pending) is None or not old.should_retry:
            return
        self.pending = fresh = await self._prepare(old.release, old.attempts + 1)
        self._drop_all(old.versions)
        if fresh.level == old.level:
            fresh.since = old.since
        if fresh.refusal is None:
            self._set_refusal(None)

    def discard(self) -> None:
        """Drop the pending release."""
        if (old := self.pending) is not None:
            self.pending = None
            self._drop_all(old.versions)

    def refuse_file(self, reason: str, message: str) -> None:
        """Record that release.json cannot be followed. The versions in use stay."""
        self._set_refusal(Refusal(None, reason, message))
        log.error("model refused name=%s reason=%s: %s", self.name, reason, message)

    def vote(self) -> Vote | None:
        """Return the vote for the pending release, if there is one."""
        return None if self.pending is None else self.pending.vote

    @property
    def is_waiting(self) -> bool:
        """Whether the pending release is loaded but not decided yet."""
        if (pending := self.pending) is None:
            return False
        if self._serves is None or pending.release != self._serves.release:
            return pending.level > Level.NOTHING
        return pending.level > self._serves.level

    def serve(self, decision: Decision) -> bool:
        """Serve a decision. Returns False if the pending release does not provide it."""
        pending = self.pending
        if pending is not None and pending.release == decision.release:
            if self._serves != decision and pending.level >= decision.level:
                self._switch(pending, decision)
            if self._serves == decision and decision.level == Level.COMPLETE:
                self.discard()
                self._set_refusal(None)
                self._metrics.reloads.labels(self.name, RELEASED).inc()
        return self._serves == decision

    def _switch(self, pending: PendingRelease, decision: Decision) -> None:
        """Switch to the pending release. No await: requests see either the old one or the new."""
        old = self.servables()
        self._set_released(pending.released)
        canary = pending.canary if decision.level == Level.COMPLETE else None
        self._set_canary(canary, decision.release)
        self._serves = decision
        for version in self.servables():
            self._cache.acquire(version)
        self._drop_all(old)

    def _set_released(self, fresh: Servable | None) -> None:
        before, after = _number(self.released), _number(fresh)
        self.released = fresh
        if before == after:
            return
        self._metrics.released.labels(self.name, str(after)).set(1)
        if before is not None:
            self._metrics.released.labels(self.name, str(before)).set(0)
        log.info("model released name=%s version=%d before=%s", self.name, after, before)

    def _set_canary(self, fresh: Servable | None, release: Release) -> None:
        gauge = self._metrics.canary_share
        if self.canary is not None:
            gauge.labels(self.name, str(_number(self.canary))).set(0)
        self.canary = fresh
        if fresh is not None and release.canary is not None:
            self.share = release.canary.share
            gauge.labels(self.name, str(_number(fresh))).set(self.share)
            log.info("canary name=%s version=%d share=%g", self.name, _number(fresh), self.share)

    async def _prepare(self, wanted: Release, attempts: int = 1) -> PendingRelease:
        """Load the versions of a release, as far as they can be loaded."""
        pending = PendingRelease(wanted, attempts)
        version = wanted.version
        try:
            pending.released = await self._load(version)
            if wanted.canary is not None:
                version = wanted.canary.version
                pending.canary = await self._load_canary(version, pending.released)
        except LoadError as error:
            of_canary = pending.released is not None
            refusal = Refusal(version, error.reason, str(error), of_canary, error.is_final)
            self._refuse(pending, refusal)
        except BaseException:
            self._drop_all(pending.versions)
            raise
        pending.since = pending.attempted_at = time.monotonic()
        return pending

    async def _load_canary(self, version: int, released: Servable) -> Servable:
        fresh = await self._load(version)
        try:
            check_canary(released.manifest, fresh.manifest)
        except BundleError as error:
            self._cache.drop(fresh)
            raise LoadError(error.reason, str(error)) from error
        return fresh

    async def _load(self, version: int) -> Servable:
        """Return a version with a new reference, and load it if needed."""
        prepared = [] if self.pending is None else self.pending.versions
        for loaded in (*self.servables(), *prepared):
            if _number(loaded) == version:
                self._cache.acquire(loaded)
                return loaded
        self._loading = version
        try:
            return await self._cache.load((self.name, version))
        finally:
            self._loading = None

    def _drop_all(self, versions: list[Servable]) -> None:
        for version in versions:
            self._cache.drop(version)

    def _refuse(self, pending: PendingRelease, refusal: Refusal) -> None:
        pending.refusal = refusal
        self._set_refusal(refusal)
        self._metrics.reloads.labels(self.name, refusal.reason).inc()
        log.error(
            "model refused name=%s version=%d reason=%s: %s",
            *(self.name, refusal.version, refusal.reason, refusal.message),
        )

    def _set_refusal(self, refusal: Refusal | None) -> None:
        gauge, old = self._metrics.release_refused, self.refusal
        if old is not None:
            gauge.labels(self.name, *old.labels).set(0)
        if refusal is not None:
            gauge.labels(self.name, *refusal.labels).set(1)
            if old is not None and old.labels == refusal.labels:
                refusal = replace(refusal, since=old.since)
        self.refusal = refusal


def _number(version: Servable | None) -> int | None:
    return None if version is None else version.manifest.version


FileSignature = tuple[int, ...]


def file_signature(path: Path) -> FileSignature:
    """Return a value that changes with a file; empty if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


UNKNOWN = (-1,)  # differs from the signature of any file
Found = Release | BundleError | None  # the release, why it cannot be read, or no release


class Releases:
    """The files `release.json` of a folder of models, each read only after it has changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._signatures: dict[str, FileSignature] = {}

    def changes(self) -> dict[str, Found]:
        """Return what has changed since the last call, by model; at first all models.

        It blocks on the disk: call it on a thread, one call at a time. Raises BundleError if the
        folder cannot be read.
        """
        names = {*list_models(self._root), *self._signatures}
        return {name: self._read(name) for name in sorted(names) if self._has_changed(name)}

    def forget(self, name: str) -> None:
        """Report a model again at the next call, even if it has not changed."""
        self._signatures[name] = UNKNOWN

    def _has_changed(self, name: str) -> bool:
        # Taken before the file is read, so that a change in between is found at the next call.
        signature = file_signature(self._root / name / "release.json")
        known = self._signatures.get(name)
        self._signatures[name] = signature
        return signature != known

    def _read(self, name: str) -> Found:
        try:
            return read_release(self._root, name)
        except BundleError as error:
            return error
