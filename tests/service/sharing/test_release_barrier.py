"""Workers vote, and decisions hold for all of them."""

import os
import time
from collections.abc import Callable

import pytest

from mirage.bundle.store.release import Canary, Release
from mirage.service.sharing.release_barrier import (
    STATE_BYTES,
    Decision,
    Level,
    ReleaseBarrier,
    Vote,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

FIRST, SECOND = Release(1), Release(2, canary=Canary(3, 0.25))
NOTHING, WITHOUT_CANARY, COMPLETE = Level


class Workers:
    """Several workers, simulated by this process."""

    def __init__(self, count: int, timeout_s: float) -> None:
        self.barrier = ReleaseBarrier(timeout_s)
        for number in range(count):
            self.vote(number)

    def vote(
        self,
        number: int,
        release: Release | None = None,
        level: Level = COMPLETE,
        *,
        is_final: bool = True,
    ) -> Decision | None:
        """Vote as a worker, and return the decision that it reads."""
        # This removes the worker's votes, but `vote` replaces them anyway.
        self.barrier.set_worker(number)
        vote = None if release is None else Vote(release, level, is_final, time.monotonic())
        return self.barrier.vote({} if vote is None else {"toy": vote}).get("toy")


@pytest.fixture
def workers() -> Callable[..., Workers]:
    return lambda count, timeout_s=1e6: Workers(count, timeout_s)


def in_another_process(job: Callable[[], object]) -> None:
    """Run a function in a forked process, and wait for it."""
    if (pid := os.fork()) == 0:
        code = 1
        try:
            job()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_single_worker_decides_at_once(workers: Callable[..., Workers]) -> None:
    assert workers(1).vote(0, SECOND) == Decision(SECOND, COMPLETE)


def test_a_release_is_decided_when_the_last_worker_is_ready(
    workers: Callable[..., Workers],
) -> None:
    three = workers(3)
    assert [three.vote(number, FIRST) for number in range(3)] == [
        None,
        None,
        Decision(FIRST, COMPLETE),
    ]
    assert three.vote(0) == Decision(FIRST, COMPLETE), "it stands when nobody votes any more"


def test_a_worker_that_will_retry_is_waited_for(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    assert two.vote(0, FIRST) is None
    assert two.vote(1, FIRST, NOTHING, is_final=False) is None
    assert two.vote(1, FIRST) == Decision(FIRST, COMPLETE)


def test_half_of_the_workers_decide_if_the_others_have_failed_for_good(
    workers: Callable[..., Workers],
) -> None:
    four = workers(4)
    four.vote(0, FIRST, NOTHING)
    four.vote(1, FIRST, NOTHING)
    assert four.vote(2, FIRST) is None
    assert four.vote(3, FIRST) == Decision(FIRST, COMPLETE)


def test_fewer_than_half_of_the_workers_do_not_decide(workers: Callable[..., Workers]) -> None:
    three = workers(3, timeout_s=-1.0)
    three.vote(0, FIRST, NOTHING)
    three.vote(1, FIRST, NOTHING)
    assert three.vote(2, FIRST) is None


def test_half_of_the_workers_decide_after_the_timeout(workers: Callable[..., Workers]) -> None:
    two = workers(2, timeout_s=-1.0)
    assert two.vote(0, FIRST) == Decision(FIRST, COMPLETE)


def test_a_release_that_no_worker_has_loaded_is_not_decided(
    workers: Callable[..., Workers],
) -> None:
    two = workers(2, timeout_s=-1.0)
    two.vote(0, FIRST)
    two.vote(1, FIRST)
    for number in (0, 1):
        assert two.vote(number, SECOND, NOTHING) == Decision(FIRST, COMPLETE)


def test_a_canary_waits_until_all_workers_have_loaded_it(
    workers: Callable[..., Workers],
) -> None:
    two = workers(2)
    two.vote(0, SECOND)
    assert two.vote(1, SECOND, WITHOUT_CANARY, is_final=False) == Decision(SECOND, WITHOUT_CANARY)
    assert two.vote(0, SECOND) == Decision(SECOND, WITHOUT_CANARY)
    assert two.vote(1, SECOND) == Decision(SECOND, COMPLETE)


def test_a_later_release_replaces_the_decision(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    for release in (FIRST, SECOND, FIRST):
        two.vote(0, release)
        assert two.vote(1, release) == Decision(release, COMPLETE)


def test_a_vote_older_than_the_decision_does_not_replace_it(
    workers: Callable[..., Workers],
) -> None:
    two = workers(2, timeout_s=-1.0)
    two.vote(1, FIRST)
    assert two.vote(0, SECOND) == Decision(SECOND, COMPLETE)
    assert two.barrier.vote({}) == {"toy": Decision(SECOND, COMPLETE)}


def test_a_withdrawn_vote_does_not_count(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    two.vote(0, FIRST)
    two.vote(0)
    assert two.vote(1, FIRST) is None


def test_models_are_decided_independently() -> None:
    barrier = ReleaseBarrier()
    votes = {name: Vote(FIRST, COMPLETE, True, time.monotonic()) for name in ("a", "b")}
    barrier.vote({"a": votes["a"]})
    assert set(barrier.vote({"b": votes["b"]})) == {"a", "b"}


def test_a_worker_that_has_left_is_not_waited_for(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    two.vote(1, FIRST)
    two.barrier.leave()
    assert two.vote(0, SECOND) == Decision(SECOND, COMPLETE)


@pytest.fixture
def barrier() -> ReleaseBarrier:
    return ReleaseBarrier()


def test_a_worker_that_has_ended_is_not_waited_for(barrier: ReleaseBarrier) -> None:
    def die() -> None:
        barrier.set_worker(1)
        barrier.vote({})

    in_another_process(die)
    vote = Vote(FIRST, COMPLETE, True, time.monotonic())
    assert barrier.vote({"toy": vote}) == {"toy": Decision(FIRST, COMPLETE)}


def test_a_worker_that_starts_later_reads_the_decisions(barrier: ReleaseBarrier) -> None:
    barrier.vote({"toy": Vote(SECOND, COMPLETE, True, time.monotonic())})

    def start() -> None:
        barrier.set_worker(1)
        assert barrier.decisions() == {"toy": Decision(SECOND, COMPLETE)}

    in_another_process(start)


def test_decisions_end_with_the_last_worker(barrier: ReleaseBarrier) -> None:
    vote = Vote(SECOND, COMPLETE, True, time.monotonic())
    in_another_process(lambda: barrier.vote({"toy": vote}))
    assert barrier.decisions() == {}


def test_concurrent_votes_are_all_counted(barrier: ReleaseBarrier) -> None:
    names = [f"model-{number}" for number in range(50)]
    votes = {name: Vote(FIRST, COMPLETE, True, time.monotonic()) for name in names}
    children = []
    barrier.vote({})  # so that there is always one, and decisions stand
    for number in range(1, 4):
        if (pid := os.fork()) == 0:
            barrier.set_worker(number)
            for name in names:
                barrier.vote({name: votes[name]})
                barrier.vote(votes)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert barrier.vote(votes) == {name: Decision(FIRST, COMPLETE) for name in names}


def test_a_worker_killed_while_it_writes_leaves_the_state_intact(
    barrier: ReleaseBarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier.vote({"toy": Vote(FIRST, COMPLETE, True, time.monotonic())})
    write = os.pwrite

    def write_half_and_die(file: int, data: bytes, offset: int) -> int:
        write(file, data[: len(data) // 2], offset)
        os._exit(0)

    def be_killed() -> None:
        monkeypatch.setattr(os, "pwrite", write_half_and_die)
        barrier.set_worker(1)
        barrier.vote({"toy": Vote(SECOND, COMPLETE, True, time.monotonic())})

    in_another_process(be_killed)
    assert barrier.decisions() == {"toy": Decision(FIRST, COMPLETE)}
    assert barrier.vote({}) == {"toy": Decision(FIRST, COMPLETE)}


def test_the_size_of_the_state_is_bounded(barrier: ReleaseBarrier) -> None:
    vote = Vote(FIRST, COMPLETE, True, 0.0)
    with pytest.raises(OverflowError, match=str(STATE_BYTES)):
        barrier.vote({f"model-{number}": vote for number in range(20_000)})
    assert barrier.decisions() == {}
