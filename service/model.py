"""One model: the version that answers, the canary beside it, and what was refused last."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mirage.bundle.chance import takes_canary
from mirage.bundle.errors import BundleError
from mirage.bundle.release import check_canary
from mirage.bundle.store import Canary, Release
from mirage.service.ensemble import Answering
from mirage.service.memory import Memory
from mirage.service.metrics import Metrics
from mirage.service.served import LoadError

log = logging.getLogger(__name__)

RELEASED = "ok"  # the outcome of a change that was followed, beside the reasons of those refused


@dataclass(frozen=True)
class Refusal:
    """What is to be released but does not answer: a public reason, and a message for operators.

    `version` is None when release.json itself is missing or unreadable.
    """

    version: int | None
    reason: str
    message: str
    of_canary: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def labels(self) -> tuple[str, str]:
        """Version and reason, as metrics have them."""
        return "" if self.version is None else str(self.version), self.reason


class Model:
    """Follows what is released of a model; what is refused leaves what answers as it is."""

    def __init__(self, name: str, memory: Memory, metrics: Metrics) -> None:
        self.name = name
        self._memory = memory
        self._metrics = metrics
        self.released: Answering | None = None
        self.canary: Answering | None = None
        self.share = 0.0
        self.refusal: Refusal | None = None
        self.loading: int | None = None

    def choose(self, seed: int | None) -> Answering | None:
        """The version that answers for a seed; None brings latents, which no canary gets."""
        if self.canary is None or seed is None or not takes_canary(self.name, seed, self.share):
            return self.released
        return self.canary

    def answering(self) -> list[Answering]:
        """The released version and the canary."""
        return [version for version in (self.released, self.canary) if version is not None]

    async def follow(self, wanted: Release) -> None:
        """Let the released version and the canary answer, each as soon as it is in memory."""
        self._set_refusal(None)
        try:
            await self._follow_release(wanted.version)
            await self._follow_canary(wanted.canary)
        except LoadError as error:
            self._refuse(wanted, error)
        else:
            self._metrics.reloads.labels(self.name, RELEASED).inc()

    def stay(self, reason: str, message: str) -> None:
        """Go on as before, for nobody knows what is to be released."""
        self._set_refusal(Refusal(None, reason, message))
        log.error("model refused name=%s reason=%s: %s", self.name, reason, message)

    async def _follow_release(self, version: int) -> None:
        if _number(self.released) == version:
            return
        fresh = await self._load(version)
        old, self.released = self.released, fresh
        self._metrics.released.labels(self.name, str(version)).set(1)
        log.info("model released name=%s version=%d before=%s", self.name, version, _number(old))
        self._end_canary()
        if old is not None:
            self._metrics.released.labels(self.name, str(old.manifest.version)).set(0)
            self._memory.let_go(old)

    async def _follow_canary(self, wanted: Canary | None) -> None:
        if wanted is None:
            self._end_canary()
            return
        if _number(self.canary) != wanted.version:
            fresh = await self._load(wanted.version)
            try:
                self._check_canary(fresh)
            except BundleError as error:
                self._memory.let_go(fresh)
                raise LoadError(error.reason, str(error)) from error
            self._end_canary()
            self.canary = fresh
        self.share = wanted.share
        self._metrics.canary_share.labels(self.name, str(wanted.version)).set(wanted.share)
        log.info("canary name=%s version=%d share=%g", self.name, wanted.version, wanted.share)

    def _check_canary(self, fresh: Answering) -> None:
        if self.released is not None:
            check_canary(self.released.manifest, fresh.manifest)

    def _end_canary(self) -> None:
        old, self.canary = self.canary, None
        if old is not None:
            self._metrics.canary_share.labels(self.name, str(old.manifest.version)).set(0)
            self._memory.let_go(old)

    async def _load(self, version: int) -> Answering:
        self.loading = version
        try:
            return await self._memory.load((self.name, version))
        finally:
            self.loading = None

    def _refuse(self, wanted: Release, error: LoadError) -> None:
        of_canary = wanted.canary is not None and _number(self.released) == wanted.version
        version = wanted.canary.version if wanted.canary and of_canary else wanted.version
        if of_canary:
            self._end_canary()  # an older one: it is not wanted any more
        self._set_refusal(Refusal(version, error.reason, str(error), of_canary))
        self._metrics.reloads.labels(self.name, error.reason).inc()
        log.error(
            "model refused name=%s version=%d reason=%s: %s",
            *(self.name, version, error.reason, error),
        )

    def _set_refusal(self, refusal: Refusal | None) -> None:
        gauge = self._metrics.release_refused
        if self.refusal is not None:
            gauge.labels(self.name, *self.refusal.labels).set(0)
        if refusal is not None:
            gauge.labels(self.name, *refusal.labels).set(1)
        self.refusal = refusal


def _number(version: Answering | None) -> int | None:
    return None if version is None else version.manifest.version
