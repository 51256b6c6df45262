"""When a release that was refused is tried again, and what a worker tells the others of it."""

import pytest

from mirage.bundle.store.release import Canary, Release
from mirage.service.sharing.release_barrier import Level
from mirage.service.versions import candidate
from mirage.service.versions.candidate import Candidate, Refusal


def refused(*, is_final: bool, tries: int = 1) -> Candidate:
    refusal = Refusal(2, "load_failed", "no memory", is_final=is_final)
    return Candidate(Release(2), tries, refusal=refusal, tried_at=1000.0)


@pytest.mark.parametrize(("tries", "wait_s"), [(1, 1), (2, 2), (4, 8), (7, 60), (10**6, 60)])
def test_each_try_waits_twice_as_long_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch, tries: int, wait_s: float
) -> None:
    found = refused(is_final=False, tries=tries)
    monkeypatch.setattr(candidate.time, "monotonic", lambda: 1000.0 + wait_s - 0.1)
    assert not found.is_due
    monkeypatch.setattr(candidate.time, "monotonic", lambda: 1000.0 + wait_s)
    assert found.is_due


def test_what_is_the_bundle_s_own_fault_is_not_tried_again() -> None:
    assert not refused(is_final=True).is_due
    assert not Candidate(Release(2)).is_due


def test_the_vote_is_for_as_much_as_is_in_memory() -> None:
    vote = refused(is_final=False).vote
    assert (vote.release, vote.level, vote.is_final) == (Release(2), Level.NOTHING, False)
    assert Candidate(Release(2, canary=Canary(3, 0.5))).level == Level.NOTHING
