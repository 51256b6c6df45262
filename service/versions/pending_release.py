"""A release that is being prepared: its versions in memory, and why one of them is missing."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mirage.bundle.store.release import Release
from mirage.service.sharing.release_barrier import Level, Vote
from mirage.service.versions.version import Servable

RETRY_S = (1.0, 60.0)  # first and longest delay before a refused release is loaded again


@dataclass(frozen=True)
class Refusal:
    """Why a release is not served. `reason` is public; `message` is for operators.

    `version` is None if release.json is missing or unreadable. `is_final` is true if another
    attempt cannot succeed.
    """

    version: int | None
    reason: str
    message: str
    of_canary: bool = False
    is_final: bool = True
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def labels(self) -> tuple[str, str]:
        """Version and reason as labels of metrics."""
        return "" if self.version is None else str(self.version), self.reason


@dataclass
class PendingRelease:
    """A release, and references to those of its versions that could be loaded.

    In `time.monotonic()` seconds, `since` is when it reached its level, and `attempted_at` is when
    the last of its `attempts` ended.
    """

    release: Release
    attempts: int = 1
    released: Servable | None = None
    canary: Servable | None = None
    refusal: Refusal | None = None
    since: float = 0.0
    attempted_at: float = 0.0

    @property
    def level(self) -> Level:
        """How much of the release is loaded."""
        if self.released is None:
            return Level.NOTHING
        if self.release.canary is not None and self.canary is None:
            return Level.WITHOUT_CANARY
        return Level.COMPLETE

    @property
    def versions(self) -> list[Servable]:
        """The versions that are loaded."""
        return [version for version in (self.released, self.canary) if version is not None]

    @property
    def should_retry(self) -> bool:
        """Whether to load what was refused again; the delay doubles with each attempt."""
        if self.refusal is None or self.refusal.is_final:
            return False
        first_s, longest_s = RETRY_S
        delay_s = min(longest_s, first_s * 2.0 ** min(self.attempts - 1, 16))
        return time.monotonic() >= self.attempted_at + delay_s

    @property
    def vote(self) -> Vote:
        """The vote of this worker at the release barrier."""
        is_final = self.refusal is None or self.refusal.is_final
        return Vote(self.release, self.level, is_final, self.since)
