"""When waiting for just answered clients pays."""

from mirage.service.linger import PROBE_EVERY, Linger


def finish(linger: Linger, worth_s: float = 1.0) -> float:
    """A batch of 2 finishes at second 10 with 3 queued; returns the wait in seconds."""
    linger.batch_done(answered=2, queued=3, worth_s=worth_s, now=10.0)
    return linger.until - 10.0


def test_it_waits_for_the_answered_beside_the_queued() -> None:
    linger = Linger(0.25)
    assert finish(linger) == 0.25
    assert linger.target == 5


def test_it_never_waits_longer_than_a_batch_less_would_save() -> None:
    assert finish(Linger(0.25), worth_s=0.125) == 0.125


def test_it_gives_up_on_clients_that_do_not_come_back_but_tries_again() -> None:
    linger = Linger(0.25)
    for _ in range(10):
        linger.waited(came_back=False)
    waits = [finish(linger) for _ in range(PROBE_EVERY)]
    assert waits == [0.0] * (PROBE_EVERY - 1) + [0.25]


def test_it_learns_that_clients_come_back_again() -> None:
    linger = Linger(0.25)
    for came_back in [False] * 20 + [True] * 20:
        linger.waited(came_back=came_back)
    assert finish(linger) == 0.25
