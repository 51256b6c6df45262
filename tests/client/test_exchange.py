import httpx
import pytest

from mirage_client.errors import MirageError, Refused, Unreachable
from mirage_client.exchange import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Outcome,
    Patience,
    Request,
    Talk,
    draw,
    exchange,
)
from mirage_client.order import make_order

GET, POST = Request("GET", "/models"), Request("POST", "/generate")
LOST = httpx.ConnectError("connection refused")


class Clock:
    """A clock that goes only when a talk waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def carry_out(talk: Talk[httpx.Response], clock: Clock, outcomes: list[Outcome]) -> list[float]:
    """The pauses of a talk that is sent these outcomes; the last one is to end it."""
    ask = next(talk)
    pauses = []
    for outcome in outcomes[:-1]:
        pauses.append(ask.pause_s)
        clock.now += ask.pause_s
        ask = talk.send(outcome)
    with pytest.raises(StopIteration) as end:
        talk.send(outcomes[-1])
    assert end.value.value is outcomes[-1]
    return [*pauses, ask.pause_s]


def refusal(status: int, retry_after: str | None = None) -> httpx.Response:
    return httpx.Response(status, headers={"retry-after": retry_after} if retry_after else {})


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_told(status: int) -> None:
    clock = Clock()
    outcomes: list[Outcome] = [refusal(status, "3"), refusal(status, "0"), httpx.Response(200)]
    pauses = carry_out(exchange(POST, Patience(60, clock)), clock, outcomes)
    assert pauses == [0, 3, 0]


@pytest.mark.parametrize("outcome", [refusal(502), refusal(503), refusal(504), LOST])
def test_it_waits_longer_and_longer_when_nobody_tells(outcome: Outcome) -> None:
    clock = Clock()
    outcomes = [outcome] * 8 + [httpx.Response(200)]
    pauses = carry_out(exchange(POST, Patience(600, clock)), clock, outcomes)
    assert pauses[:4] == [0, FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(Refused) as caught:
        carry_out(exchange(POST, Patience(7, clock)), clock, [refusal(429, "3")] * 9)
    assert clock.now == 106
    assert caught.value.retry_after_s == 3


def test_a_longer_wait_than_the_deadline_is_not_begun() -> None:
    clock = Clock()
    with pytest.raises(Refused):
        carry_out(exchange(POST, Patience(60, clock)), clock, [refusal(503, "3600")])
    assert clock.now == 100


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422, 500])
def test_other_refusals_are_final(status: int) -> None:
    clock = Clock()
    with pytest.raises(Refused) as caught:
        carry_out(exchange(POST, Patience(60, clock)), clock, [refusal(status)])
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("request_", "error"),
    [(GET, LOST), (POST, httpx.UnsupportedProtocol("no scheme"))],
    ids=["a look-up", "a request that cannot be sent"],
)
def test_a_lost_connection_is_final_where_another_will_not_help(
    request_: Request, error: httpx.RequestError
) -> None:
    clock = Clock()
    with pytest.raises(Unreachable, match=str(error)) as caught:
        carry_out(exchange(request_, Patience(60, clock)), clock, [error])
    assert caught.value.__cause__ is error


def over_limit(slug: str) -> httpx.Response:
    headers = {"content-type": "application/problem+json"}
    return httpx.Response(422, headers=headers, json={"type": f"urn:mirage:{slug}"})


@pytest.mark.parametrize("slug", ["limit-exceeded", "body-too-large"])
def test_an_order_over_a_limit_is_halved(slug: str) -> None:
    talk = draw(make_order(5, {"seed": 7}), Patience(60))
    bodies = [next(talk).request.body]
    bodies += [talk.send(over_limit(slug)).request.body for _ in range(2)]
    assert [body and body["count"] for body in bodies] == [5, 3, 2]


def test_one_image_over_a_limit_is_refused() -> None:
    talk = draw(make_order(1, {"seed": 7}), Patience(60))
    next(talk)
    with pytest.raises(MirageError):
        talk.send(over_limit("limit-exceeded"))
