"""When a refused release is loaded again, and the vote for it."""

import pytest

from mirage.bundle.store.release import Canary, Release
from mirage.service.sharing.release_barrier import Level
from mirage.service.versions import pending_release
from mirage.service.versions.pending_release import PendingRelease, Refusal


def refused(*, is_final: bool, attempts: int = 1) -> PendingRelease:
    refusal = Refusal(2, "load_failed", "no memory", is_final=is_final)
    return PendingRelease(Release(2), attempts, refusal=refusal, attempted_at=1000.0)


@pytest.mark.parametrize(("attempts", "wait_s"), [(1, 1), (2, 2), (4, 8), (7, 60), (10**6, 60)])
def test_the_delay_doubles_with_each_attempt_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch, attempts: int, wait_s: float
) -> None:
    found = refused(is_final=False, attempts=attempts)
    monkeypatch.setattr(pending_release.time, "monotonic", lambda: 1000.0 + wait_s - 0.1)
    assert not found.should_retry
    monkeypatch.setattr(pending_release.time, "monotonic", lambda: 1000.0 + wait_s)
    assert found.should_retry


def test_a_fault_of_the_bundle_is_not_retried() -> None:
    assert not refused(is_final=True).should_retry
    assert not PendingRelease(Release(2)).should_retry


def test_the_vote_is_for_what_is_loaded() -> None:
    vote = refused(is_final=False).vote
    assert (vote.release, vote.level, vote.is_final) == (Release(2), Level.NOTHING, False)
    assert PendingRelease(Release(2, canary=Canary(3, 0.5))).level == Level.NOTHING
