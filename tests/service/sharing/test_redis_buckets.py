"""Buckets in a real Redis, and without it."""

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr

from mirage.service.errors import StartError
from mirage.service.sharing.rate_buckets import LocalBuckets
from mirage.service.sharing.redis_buckets import PAUSE_S, RedisBuckets, connect
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post, problem

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)
CALLER = ("192.0.2.1", 60)


class Server:
    """A Redis on a Unix socket, which starts empty each time."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", self.socket.name, "--save", ""]
        self._process = subprocess.Popen(
            ["redis-server", *options], stdout=subprocess.PIPE, text=True, cwd=self.socket.parent
        )
        assert self._process.stdout is not None
        assert any("eady to accept connections" in line for line in self._process.stdout)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


class Replica(RedisBuckets):
    """The buckets of one replica, with a clock that the test sets."""

    def __init__(self, url: str) -> None:
        self.now = 1000.0
        self.counter = Counter("failures", "", registry=CollectorRegistry())
        super().__init__(url, LocalBuckets(), self.counter, lambda: self.now)

    @property
    def failures(self) -> float:
        (metric,) = self.counter.collect()
        return metric.samples[0].value


def with_replicas(url: str, use: Callable[[Replica, Replica], Awaitable[None]]) -> None:
    async def run() -> None:
        one, other = Replica(url), Replica(url)
        await use(one, other)
        for replica in (one, other):
            await replica.close()

    asyncio.run(run())


@needs_redis
def test_replicas_share_the_images_of_a_minute(server: Server) -> None:
    async def use(one: Replica, other: Replica) -> None:
        assert await one.take(CALLER, 45) == 0
        assert await other.take(CALLER, 15) == 0
        assert 44 < await one.take(CALLER, 45) <= 45  # seconds, at one image a second
        assert await other.take(("192.0.2.2", 60), 60) == 0
        assert one.failures == other.failures == 0

    with_replicas(server.url, use)


@needs_redis
def test_what_was_not_made_is_given_back(server: Server) -> None:
    async def use(one: Replica, other: Replica) -> None:
        assert await one.take(CALLER, 60) == 0
        await other.give_back(CALLER, 60)
        assert await one.take(CALLER, 60) == 0
        assert await other.take(CALLER, 60) > 55

    with_replicas(server.url, use)


@needs_redis
def test_more_given_back_than_a_minute_holds_is_lost(server: Server) -> None:
    async def use(one: Replica, other: Replica) -> None:
        await one.give_back(CALLER, 600)
        assert await one.take(CALLER, 60) == 0
        assert await one.take(CALLER, 60) > 55

    with_replicas(server.url, use)


@needs_redis
def test_buckets_expire_and_their_names_tell_no_address(server: Server) -> None:
    async def use(one: Replica, other: Replica) -> None:
        await one.take(CALLER, 1)
        redis = connect(server.url)
        (key,) = [key async for key in redis.scan_iter()]
        assert key.startswith(b"mirage:images:")
        assert b"192.0.2" not in key
        assert 60 < await redis.ttl(key) <= 120
        await redis.aclose()

    with_replicas(server.url, use)


@needs_redis
def test_without_redis_each_replica_counts_alone_and_returns_to_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(one: Replica, other: Replica) -> None:
        assert await one.take(CALLER, 60) == 0
        server.stop()
        assert await one.take(CALLER, 60) == 0  # its own bucket is full
        assert await one.take(CALLER, 60) > 55
        assert await other.take(CALLER, 60) == 0
        assert (one.failures, other.failures) == (2, 1)
        server.start()
        assert await one.take(CALLER, 1) > 0  # it does not ask again so soon
        one.now += PAUSE_S
        assert await one.take(CALLER, 60) == 0

    with caplog.at_level("INFO", logger="mirage"):
        with_replicas(server.url, use)
    told = [record.message.partition(":")[0] for record in caplog.records]
    assert told.count("Redis does not answer (ConnectionError)") == 2
    assert told.count("the rate limits are shared again") == 1


def test_a_redis_that_cannot_be_reached_never_fails_a_request(
    client_of: ClientOf, tmp_path: Path
) -> None:
    client = client_of(images_per_minute=6, limits_url=SecretStr(f"unix://{tmp_path}/none.sock"))
    assert post(client, count=6).status_code == 200
    problem(post(client, count=6), 429, "rate-limited")
    assert "mirage_limits_failures_total 2.0" in client.get("/metrics").text


@needs_redis
def test_two_services_share_a_limit(client_of: ClientOf, server: Server) -> None:
    url = SecretStr(server.url)
    one, other = (client_of(images_per_minute=6, limits_url=url) for _ in range(2))
    assert post(one, count=6).status_code == 200
    problem(post(other, count=6), 429, "rate-limited")


def test_an_invalid_url_is_named_without_its_password() -> None:
    with pytest.raises(StartError, match="limits_url is no URL of Redis") as caught:
        Replica("http://user:secret@host/0")
    assert "secret" not in str(caught.value)
