"""A release of a model that is prepared, as far as that was possible, and does not serve yet."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mirage.bundle.store.release import Release
from mirage.service.sharing.release_barrier import Level, Vote
from mirage.service.versions.version import Answering

RETRY_S = (1.0, 60.0)  # until a release that was refused is tried again: at first, and at most


@dataclass(frozen=True)
class Refusal:
    """What is to be released but does not answer: a public reason, and a message for operators.

    `version` is None when release.json itself is missing or unreadable. `is_final`: to try again
    would not help.
    """

    version: int | None
    reason: str
    message: str
    of_canary: bool = False
    is_final: bool = True
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def labels(self) -> tuple[str, str]:
        """Version and reason, as metrics have them."""
        return "" if self.version is None else str(self.version), self.reason


@dataclass
class Candidate:
    """The versions of a release in memory, held, and why one of them is not.

    By `time.monotonic()`, it has its level `since`; of its `tries`, the last was at `tried_at`.
    """

    release: Release
    tries: int = 1
    released: Answering | None = None
    canary: Answering | None = None
    refusal: Refusal | None = None
    since: float = 0.0
    tried_at: float = 0.0

    @property
    def level(self) -> Level:
        """How much of it can be served."""
        if self.released is None:
            return Level.NOTHING
        if self.release.canary is not None and self.canary is None:
            return Level.WITHOUT_CANARY
        return Level.COMPLETE

    @property
    def versions(self) -> list[Answering]:
        """What it holds."""
        return [version for version in (self.released, self.canary) if version is not None]

    @property
    def is_due(self) -> bool:
        """Whether to try again what was refused."""
        if self.refusal is None or self.refusal.is_final:
            return False
        first_s, most_s = RETRY_S
        wait_s = min(most_s, first_s * 2.0 ** min(self.tries - 1, 16))
        return time.monotonic() >= self.tried_at + wait_s

    @property
    def vote(self) -> Vote:
        """What this worker tells the others."""
        is_final = self.refusal is None or self.refusal.is_final
        return Vote(self.release, self.level, is_final, self.since)
