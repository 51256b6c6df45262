"""Images per minute, on a clock that the tests set."""

import asyncio
from pathlib import Path

import pytest

from mirage.service.api.admission.rate_limit import Rates
from mirage.service.api.security.auth import Key, add_key
from mirage.service.errors import LimitExceeded, Overloaded, RateLimited
from mirage.service.sharing.rate_buckets import MAX_CALLERS
from mirage.service.telemetry.logging import Record
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post, problem


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def record_of(host: str = "192.0.2.1", key: Key | None = None) -> Record:
    record = Record("r1", host)
    if key is not None:
        record.note_key(key.name, key.images_per_minute)
    return record


async def charge_in_loop(rates: Rates, images: int, record: Record | None = None) -> None:
    async with rates.charged(record or record_of(), images):
        pass


def charge(rates: Rates, images: int, record: Record | None = None) -> None:
    asyncio.run(charge_in_loop(rates, images, record))


def test_without_a_limit_anything_goes() -> None:
    charge(Rates(None), 10**9)


def test_a_minute_allows_its_images_and_not_one_more(clock: Clock) -> None:
    rates = Rates(60, clock)
    charge(rates, 40)
    charge(rates, 20)
    with pytest.raises(RateLimited, match="60 per minute for now; they are allowed in 1 s"):
        charge(rates, 1)


@pytest.mark.parametrize("per_minute", [1, 7, 60, 997])
@pytest.mark.parametrize("images", [1, 3, 7])
def test_after_the_wait_that_is_told_it_is_allowed(
    clock: Clock, per_minute: int, images: int
) -> None:
    """And not much before: the wait is exact."""
    if images > per_minute:
        return
    rates = Rates(per_minute, clock)
    charge(rates, per_minute)
    with pytest.raises(RateLimited) as caught:
        charge(rates, images)
    wait_s = caught.value.retry_after_s
    assert wait_s == pytest.approx(images * 60 / per_minute)
    clock.now += wait_s - 0.01
    with pytest.raises(RateLimited):
        charge(rates, images)
    clock.now += 0.01
    charge(rates, images)


def test_idle_time_saves_no_more_than_a_minutes_images(clock: Clock) -> None:
    rates = Rates(10, clock)
    charge(rates, 10)
    clock.now += 3600
    charge(rates, 10)
    with pytest.raises(RateLimited):
        charge(rates, 1)


def test_what_no_wait_would_allow_is_refused_as_too_large(clock: Clock) -> None:
    with pytest.raises(LimitExceeded, match="count is 11; at most 10 images per minute"):
        charge(Rates(10, clock), 11)


def test_images_that_are_refused_later_are_not_counted(clock: Clock) -> None:
    rates = Rates(10, clock)

    async def refuse() -> None:
        async with rates.charged(record_of(), 10):
            raise Overloaded("full")

    with pytest.raises(Overloaded):
        asyncio.run(refuse())
    charge(rates, 10)


def test_callers_do_not_share(clock: Clock) -> None:
    rates = Rates(10, clock)
    for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"):
        charge(rates, 10, record_of(host))
    for same in ("192.0.2.2", "::ffff:192.0.2.2", "2001:db8::ffff:1"):
        with pytest.raises(RateLimited):
            charge(rates, 1, record_of(same))


def test_a_key_counts_wherever_it_is_used_and_may_have_a_limit_of_its_own(clock: Clock) -> None:
    rates = Rates(10, clock)
    ci, web = Key("ci", b""), Key("web", b"", images_per_minute=20)
    charge(rates, 10, record_of("192.0.2.1", ci))
    charge(rates, 20, record_of("192.0.2.1", web))
    with pytest.raises(RateLimited):
        charge(rates, 1, record_of("192.0.2.2", ci))
    with pytest.raises(LimitExceeded, match="at most 20 images"):
        charge(rates, 21, record_of("192.0.2.2", web))


def test_a_limit_in_the_file_holds_without_one_in_the_settings(clock: Clock) -> None:
    with pytest.raises(LimitExceeded):
        charge(Rates(None, clock), 6, record_of(key=Key("ci", b"", images_per_minute=5)))


def test_callers_who_came_long_ago_are_forgotten(clock: Clock) -> None:
    rates = Rates(1, clock)

    async def charge_many() -> None:
        for number in range(MAX_CALLERS + 1):
            host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            await charge_in_loop(rates, 1, record_of(host))

    asyncio.run(charge_many())
    charge(rates, 1, record_of("10.0.0.0"))
    with pytest.raises(RateLimited):
        charge(rates, 1, record_of("10.0.0.2"))


def test_generate_answers_429_and_when_to_come_again(client_of: ClientOf) -> None:
    client = client_of(images_per_minute=6)
    assert post(client, count=6).status_code == 200
    response = post(client, count=6)
    problem(response, 429, "rate-limited")
    assert response.headers["retry-after"] == "60"
    found = problem(post(client, count=7), 422, "limit-exceeded")
    assert found["errors"][0]["loc"] == ["count"]


def test_a_bad_request_costs_nothing(client_of: ClientOf) -> None:
    client = client_of(images_per_minute=6)
    problem(post(client, count=6, truncation=2), 422, "invalid-value")
    assert post(client, count=6).status_code == 200


def test_the_limit_of_a_key_is_read_from_the_file(client_of: ClientOf, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = add_key(path, "ci")
    path.write_text(path.read_text().strip() + " 2\n")
    client = client_of(keys_file=path)
    headers = {"X-Api-Key": key}
    assert client.post("/generate", json={"count": 2}, headers=headers).status_code == 200
    problem(client.post("/generate", headers=headers), 429, "rate-limited")
