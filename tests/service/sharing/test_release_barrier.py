"""Workers vote, and what is decided stands for all of them."""

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
    """Several workers, all played by this process."""

    def __init__(self, count: int, patience_s: float) -> None:
        self.barrier = ReleaseBarrier(patience_s)
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
        """Let a worker vote, and return what it reads."""
        # A worker takes its place once; that would undo its votes, but they are replaced anyway.
        self.barrier.take_place(number)
        vote = None if release is None else Vote(release, level, is_final, time.monotonic())
        return self.barrier.vote({} if vote is None else {"toy": vote}).get("toy")


@pytest.fixture
def workers() -> Callable[..., Workers]:
    return lambda count, patience_s=1e6: Workers(count, patience_s)


def in_another_process(job: Callable[[], object]) -> None:
    """Fork, do the job there, and wait for its end."""
    if (pid := os.fork()) == 0:
        code = 1
        try:
            job()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_one_alone_decides_at_once(workers: Callable[..., Workers]) -> None:
    assert workers(1).vote(0, SECOND) == Decision(SECOND, COMPLETE)


def test_it_is_decided_when_the_last_one_is_ready(workers: Callable[..., Workers]) -> None:
    three = workers(3)
    assert [three.vote(number, FIRST) for number in range(3)] == [
        None,
        None,
        Decision(FIRST, COMPLETE),
    ]
    assert three.vote(0) == Decision(FIRST, COMPLETE), "it stands when nobody votes any more"


def test_one_that_may_succeed_later_is_waited_for(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    assert two.vote(0, FIRST) is None
    assert two.vote(1, FIRST, NOTHING, is_final=False) is None
    assert two.vote(1, FIRST) == Decision(FIRST, COMPLETE)


def test_half_decide_when_the_others_never_will(workers: Callable[..., Workers]) -> None:
    four = workers(4)
    four.vote(0, FIRST, NOTHING)
    four.vote(1, FIRST, NOTHING)
    assert four.vote(2, FIRST) is None
    assert four.vote(3, FIRST) == Decision(FIRST, COMPLETE)


def test_fewer_than_half_do_not_decide(workers: Callable[..., Workers]) -> None:
    three = workers(3, patience_s=-1.0)
    three.vote(0, FIRST, NOTHING)
    three.vote(1, FIRST, NOTHING)
    assert three.vote(2, FIRST) is None


def test_half_decide_when_patience_is_over(workers: Callable[..., Workers]) -> None:
    two = workers(2, patience_s=-1.0)
    assert two.vote(0, FIRST) == Decision(FIRST, COMPLETE)


def test_what_nobody_can_serve_is_not_decided(workers: Callable[..., Workers]) -> None:
    two = workers(2, patience_s=-1.0)
    two.vote(0, FIRST)
    two.vote(1, FIRST)
    for number in (0, 1):
        assert two.vote(number, SECOND, NOTHING) == Decision(FIRST, COMPLETE)


def test_a_canary_that_one_misses_waits_and_then_serves_with_all(
    workers: Callable[..., Workers],
) -> None:
    two = workers(2)
    two.vote(0, SECOND)
    assert two.vote(1, SECOND, WITHOUT_CANARY, is_final=False) == Decision(SECOND, WITHOUT_CANARY)
    assert two.vote(0, SECOND) == Decision(SECOND, WITHOUT_CANARY)
    assert two.vote(1, SECOND) == Decision(SECOND, COMPLETE)


def test_a_release_that_follows_replaces_the_decision(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    for release in (FIRST, SECOND, FIRST):
        two.vote(0, release)
        assert two.vote(1, release) == Decision(release, COMPLETE)


def test_a_vote_from_before_a_decision_does_not_undo_it(workers: Callable[..., Workers]) -> None:
    two = workers(2, patience_s=-1.0)
    two.vote(1, FIRST)
    assert two.vote(0, SECOND) == Decision(SECOND, COMPLETE)
    assert two.barrier.vote({}) == {"toy": Decision(SECOND, COMPLETE)}


def test_a_vote_that_is_withdrawn_does_not_count(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    two.vote(0, FIRST)
    two.vote(0)
    assert two.vote(1, FIRST) is None


def test_models_are_decided_each_for_itself() -> None:
    barrier = ReleaseBarrier()
    votes = {name: Vote(FIRST, COMPLETE, True, time.monotonic()) for name in ("a", "b")}
    barrier.vote({"a": votes["a"]})
    assert set(barrier.vote({"b": votes["b"]})) == {"a", "b"}


def test_one_that_leaves_is_not_waited_for(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    two.vote(1, FIRST)
    two.barrier.leave()
    assert two.vote(0, SECOND) == Decision(SECOND, COMPLETE)


@pytest.fixture
def barrier() -> ReleaseBarrier:
    return ReleaseBarrier()


def test_one_that_has_died_is_not_waited_for(barrier: ReleaseBarrier) -> None:
    def die() -> None:
        barrier.take_place(1)
        barrier.vote({})

    in_another_process(die)
    vote = Vote(FIRST, COMPLETE, True, time.monotonic())
    assert barrier.vote({"toy": vote}) == {"toy": Decision(FIRST, COMPLETE)}


def test_one_that_starts_later_reads_what_is_decided(barrier: ReleaseBarrier) -> None:
    barrier.vote({"toy": Vote(SECOND, COMPLETE, True, time.monotonic())})

    def start() -> None:
        barrier.take_place(1)
        assert barrier.decisions() == {"toy": Decision(SECOND, COMPLETE)}

    in_another_process(start)


def test_when_all_have_died_nothing_is_decided(barrier: ReleaseBarrier) -> None:
    vote = Vote(SECOND, COMPLETE, True, time.monotonic())
    in_another_process(lambda: barrier.vote({"toy": vote}))
    assert barrier.decisions() == {}


def test_votes_at_the_same_time_are_all_counted(barrier: ReleaseBarrier) -> None:
    names = [f"model-{number}" for number in range(50)]
    votes = {name: Vote(FIRST, COMPLETE, True, time.monotonic()) for name in names}
    children = []
    barrier.vote({})  # so that there is always one, and decisions stand
    for number in range(1, 4):
        if (pid := os.fork()) == 0:
            barrier.take_place(number)
            for name in names:
                barrier.vote({name: votes[name]})
                barrier.vote(votes)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert barrier.vote(votes) == {name: Decision(FIRST, COMPLETE) for name in names}


def test_one_that_is_killed_while_it_writes_damages_nothing(
    barrier: ReleaseBarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier.vote({"toy": Vote(FIRST, COMPLETE, True, time.monotonic())})
    write = os.pwrite

    def write_half_and_die(file: int, data: bytes, offset: int) -> int:
        write(file, data[: len(data) // 2], offset)
        os._exit(0)

    def be_killed() -> None:
        monkeypatch.setattr(os, "pwrite", write_half_and_die)
        barrier.take_place(1)
        barrier.vote({"toy": Vote(SECOND, COMPLETE, True, time.monotonic())})

    in_another_process(be_killed)
    assert barrier.decisions() == {"toy": Decision(FIRST, COMPLETE)}
    assert barrier.vote({}) == {"toy": Decision(FIRST, COMPLETE)}


def test_the_memory_is_bounded(barrier: ReleaseBarrier) -> None:
    vote = Vote(FIRST, COMPLETE, True, 0.0)
    with pytest.raises(OverflowError, match=str(STATE_BYTES)):
        barrier.vote({f"model-{number}": vote for number in range(20_000)})
    assert barrier.decisions() == {}
