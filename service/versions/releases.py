"""One model: what is released, its canary, and what is refused; read from `release.json`."""

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
from mirage.service.versions.candidate import Candidate, Refusal
from mirage.service.versions.loading import LoadError
from mirage.service.versions.version import Answering

log = logging.getLogger(__name__)

RELEASED = "ok"  # the outcome of a change that was followed, beside the reasons of those refused


class ReleasedModel:
    """Prepares what is released of a model, and serves what is decided.

    What is refused leaves what answers as it is.
    """

    def __init__(self, name: str, memory: VersionCache, metrics: Metrics) -> None:
        self.name = name
        self._memory = memory
        self._metrics = metrics
        self.released: Answering | None = None
        self.canary: Answering | None = None
        self.share = 0.0
        self.refusal: Refusal | None = None
        self.candidate: Candidate | None = None
        self._serves: Decision | None = None
        self._loading: int | None = None

    @property
    def loading(self) -> int | None:
        """The version that is being loaded, or waits until all workers have loaded it."""
        waiting = [] if self.candidate is None else self.candidate.versions
        serving = [_number(version) for version in self.answering()]
        numbers = [number for v in waiting if (number := _number(v)) not in serving]
        return self._loading or next(iter(numbers), None)

    def choose(self, seed: int | None) -> Answering | None:
        """The version that answers for a seed; None brings latents, which no canary gets."""
        if self.canary is None or seed is None or not takes_canary(self.name, seed, self.share):
            return self.released
        return self.canary

    def answering(self) -> list[Answering]:
        """The released version and the canary."""
        return [version for version in (self.released, self.canary) if version is not None]

    async def follow(self, wanted: Release) -> None:
        """Prepare a release, which serves once `serve` is told so."""
        self.discard()
        self._set_refusal(None)
        self.candidate = await self._prepare(wanted)

    async def retry(self) -> None:
        """Prepare again what was refused, if that may help and it is time."""
        if (old := self.candidate) is None or not old.is_due:
            return
        self.candidate = fresh = await self._prepare(old.release, old.tries + 1)
        self._let_go(old.versions)
        if fresh.level == old.level:
            fresh.since = old.since
        if fresh.refusal is None:
            self._set_refusal(None)

    def discard(self) -> None:
        """Let go of what is prepared."""
        if (old := self.candidate) is not None:
            self.candidate = None
            self._let_go(old.versions)

    def stay(self, reason: str, message: str) -> None:
        """Go on as before, for nobody knows what is to be released."""
        self._set_refusal(Refusal(None, reason, message))
        log.error("model refused name=%s reason=%s: %s", self.name, reason, message)

    def vote(self) -> Vote | None:
        """What is prepared and not served."""
        return None if self.candidate is None else self.candidate.vote

    @property
    def waits(self) -> bool:
        """Whether more is prepared than is decided."""
        if (candidate := self.candidate) is None:
            return False
        if self._serves is None or candidate.release != self._serves.release:
            return candidate.level > Level.NOTHING
        return candidate.level > self._serves.level

    def serve(self, decision: Decision) -> bool:
        """Serve what is decided; false if that is not prepared."""
        candidate = self.candidate
        if candidate is not None and candidate.release == decision.release:
            if self._serves != decision and candidate.level >= decision.level:
                self._switch(candidate, decision)
            if self._serves == decision and decision.level == Level.COMPLETE:
                self.discard()
                self._set_refusal(None)
                self._metrics.reloads.labels(self.name, RELEASED).inc()
        return self._serves == decision

    def _switch(self, candidate: Candidate, decision: Decision) -> None:
        """Let what is prepared answer; nothing else runs meanwhile on the event loop."""
        old = self.answering()
        self._set_released(candidate.released)
        canary = candidate.canary if decision.level == Level.COMPLETE else None
        self._set_canary(canary, decision.release)
        self._serves = decision
        for version in self.answering():
            self._memory.hold(version)
        self._let_go(old)

    def _set_released(self, fresh: Answering | None) -> None:
        before, after = _number(self.released), _number(fresh)
        self.released = fresh
        if before == after:
            return
        self._metrics.released.labels(self.name, str(after)).set(1)
        if before is not None:
            self._metrics.released.labels(self.name, str(before)).set(0)
        log.info("model released name=%s version=%d before=%s", self.name, after, before)

    def _set_canary(self, fresh: Answering | None, release: Release) -> None:
        gauge = self._metrics.canary_share
        if self.canary is not None:
            gauge.labels(self.name, str(_number(self.canary))).set(0)
        self.canary = fresh
        if fresh is not None and release.canary is not None:
            self.share = release.canary.share
            gauge.labels(self.name, str(_number(fresh))).set(self.share)
            log.info("canary name=%s version=%d share=%g", self.name, _number(fresh), self.share)

    async def _prepare(self, wanted: Release, tries: int = 1) -> Candidate:
        """Load as much of a release as can be had."""
        candidate = Candidate(wanted, tries)
        version = wanted.version
        try:
            candidate.released = await self._load(version)
            if wanted.canary is not None:
                version = wanted.canary.version
                candidate.canary = await self._load_canary(version, candidate.released)
        except LoadError as error:
            of_canary = candidate.released is not None
            refusal = Refusal(version, error.reason, str(error), of_canary, error.is_final)
            self._refuse(candidate, refusal)
        except BaseException:
            self._let_go(candidate.versions)
            raise
        candidate.since = candidate.tried_at = time.monotonic()
        return candidate

    async def _load_canary(self, version: int, released: Answering) -> Answering:
        fresh = await self._load(version)
        try:
            check_canary(released.manifest, fresh.manifest)
        except BundleError as error:
            self._memory.let_go(fresh)
            raise LoadError(error.reason, str(error)) from error
        return fresh

    async def _load(self, version: int) -> Answering:
        """Hold a version, which is loaded unless this model has it in memory."""
        prepared = [] if self.candidate is None else self.candidate.versions
        for held in (*self.answering(), *prepared):
            if _number(held) == version:
                self._memory.hold(held)
                return held
        self._loading = version
        try:
            return await self._memory.load((self.name, version))
        finally:
            self._loading = None

    def _let_go(self, versions: list[Answering]) -> None:
        for version in versions:
            self._memory.let_go(version)

    def _refuse(self, candidate: Candidate, refusal: Refusal) -> None:
        candidate.refusal = refusal
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


def _number(version: Answering | None) -> int | None:
    return None if version is None else version.manifest.version


FileSignature = tuple[int, ...]


def file_signature(path: Path) -> FileSignature:
    """What changes with a file; empty when there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


UNKNOWN = (-1,)  # the stamp of no file
Found = Release | BundleError | None  # what is released, why that cannot be told, or nothing


class Releases:
    """The files `release.json` of a folder of models, each read only when it has changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamps: dict[str, FileSignature] = {}

    def changes(self) -> dict[str, Found]:
        """What has changed since the last call, by model: at first all models.

        It waits for the disk: call it on a thread, and one call at a time. Raises BundleError
        when the folder cannot be read.
        """
        names = {*list_models(self._root), *self._stamps}
        return {name: self._read(name) for name in sorted(names) if self._has_changed(name)}

    def forget(self, name: str) -> None:
        """Let the next call tell of a model, changed or not."""
        self._stamps[name] = UNKNOWN

    def _has_changed(self, name: str) -> bool:
        # The stamp is taken before the file is read: a change in between is seen the next time.
        stamp = file_signature(self._root / name / "release.json")
        known = self._stamps.get(name)
        self._stamps[name] = stamp
        return stamp != known

    def _read(self, name: str) -> Found:
        try:
            return read_release(self._root, name)
        except BundleError as error:
            return error
