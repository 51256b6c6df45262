import httpx
import pytest

from mirage.client.errors import MirageError, Refused, Unreachable
from mirage.client.exchange import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Exchange,
    Outcome,
    Patience,
    Request,
    generate_files,
    send_with_retries,
)
from mirage.client.generate_call import make_call

GET, POST = Request("GET", "/models"), Request("POST", "/generate")
RETRIED_ERRORS = httpx.ConnectError("connection refused")


class Clock:
    """A clock that advances only during the pauses of an exchange."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def carry_out(
    exchange: Exchange[httpx.Response], clock: Clock, outcomes: list[Outcome]
) -> list[float]:
    """The pauses of an exchange that receives these outcomes; the last one ends it."""
    attempt = next(exchange)
    pauses = []
    for outcome in outcomes[:-1]:
        pauses.append(attempt.pause_s)
        clock.now += attempt.pause_s
        attempt = exchange.send(outcome)
    with pytest.raises(StopIteration) as end:
        exchange.send(outcomes[-1])
    assert end.value.value is outcomes[-1]
    return [*pauses, attempt.pause_s]


def refusal(status: int, retry_after: str | None = None) -> httpx.Response:
    return httpx.Response(status, headers={"retry-after": retry_after} if retry_after else {})


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_retry_after_says_but_no_less_than_its_backoff(status: int) -> None:
    clock = Clock()
    outcomes: list[Outcome] = [refusal(status, "3"), refusal(status, "0"), httpx.Response(200)]
    pauses = carry_out(send_with_retries(POST, Patience(60, clock)), clock, outcomes)
    assert pauses == [0, 3, 2 * FIRST_PAUSE_S]


@pytest.mark.parametrize("outcome", [refusal(502), refusal(503), refusal(504), RETRIED_ERRORS])
def test_backs_off_exponentially_without_retry_after(outcome: Outcome) -> None:
    clock = Clock()
    outcomes = [outcome] * 8 + [httpx.Response(200)]
    pauses = carry_out(send_with_retries(POST, Patience(600, clock)), clock, outcomes)
    assert pauses[:4] == [0, FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_starts_no_attempt_after_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(Refused) as caught:
        carry_out(send_with_retries(POST, Patience(7, clock)), clock, [refusal(429, "3")] * 9)
    assert clock.now == 106
    assert caught.value.retry_after_s == 3


def test_does_not_wait_beyond_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(Refused):
        carry_out(send_with_retries(POST, Patience(60, clock)), clock, [refusal(503, "3600")])
    assert clock.now == 100


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422, 500])
def test_does_not_retry_other_errors(status: int) -> None:
    clock = Clock()
    with pytest.raises(Refused) as caught:
        carry_out(send_with_retries(POST, Patience(60, clock)), clock, [refusal(status)])
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("request_", "error"),
    [(GET, RETRIED_ERRORS), (POST, httpx.UnsupportedProtocol("no scheme"))],
    ids=["a look-up", "a request that cannot be sent"],
)
def test_does_not_retry_other_connection_errors(
    request_: Request, error: httpx.RequestError
) -> None:
    clock = Clock()
    with pytest.raises(Unreachable, match=str(error)) as caught:
        carry_out(send_with_retries(request_, Patience(60, clock)), clock, [error])
    assert caught.value.__cause__ is error


def over_limit(slug: str) -> httpx.Response:
    headers = {"content-type": "application/problem+json"}
    return httpx.Response(422, headers=headers, json={"type": f"urn:mirage:{slug}"})


@pytest.mark.parametrize("slug", ["limit-exceeded", "body-too-large"])
def test_halves_a_call_that_exceeds_a_limit(slug: str) -> None:
    exchange = generate_files(make_call(5, {"seed": 7}), Patience(60))
    bodies = [next(exchange).request.body]
    bodies += [exchange.send(over_limit(slug)).request.body for _ in range(2)]
    assert [body and body["count"] for body in bodies] == [5, 3, 2]


def test_raises_if_one_image_exceeds_a_limit() -> None:
    exchange = generate_files(make_call(1, {"seed": 7}), Patience(60))
    next(exchange)
    with pytest.raises(MirageError):
        exchange.send(over_limit("limit-exceeded"))
