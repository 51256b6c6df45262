"""Token buckets in Redis, which all replicas of a service share."""

import asyncio
import logging
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from mirage.service.errors import StartError
from mirage.service.sharing.rate_buckets import TOLERANCE, Buckets, Caller

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

TIMEOUT_S = 0.25  # a request waits no longer for Redis
PAUSE_S = 1.0  # after a failure, Redis is left alone for so long
CONNECTIONS = 16
# As `take_from`, by the clock of Redis. A bucket that is full again expires.
TAKE = """
local limit, images, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'images', 'at')
local held = limit
if bucket[1] then
    held = math.min(limit, bucket[1] + (now - bucket[2]) * limit / 60)
end
local missing = images - held
if missing <= tolerance then
    held = held - images
    missing = 0
end
redis.call('HSET', KEYS[1], 'images', string.format('%.9f', held), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 120)
return string.format('%.6f', missing * 60 / limit)
"""


class Count(Protocol):
    """A counter of Prometheus."""

    def inc(self) -> None:
        """Add 1."""


class RedisBuckets:
    """One bucket for each caller in Redis; while Redis does not answer, `own` buckets count.

    url: `redis://`, `rediss://` or `unix://`, as `redis.asyncio.Redis.from_url` takes it. failures:
    counts calls that `own` answered instead. Raises StartError if the package is not installed or
    the URL is invalid.
    """

    def __init__(
        self,
        url: str,
        own: Buckets,
        failures: Count,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = connect(url)
        self._take = self._redis.register_script(TAKE)
        self._own, self._failures, self._clock = own, failures, clock
        self._paused_until = float("-inf")
        self._is_down = False

    async def take(self, caller: Caller, images: int) -> float:
        """Take images and return 0, or return the seconds until so many are available."""
        wait_s = await self._ask(caller, images)
        return self._own.take(caller, images, self._clock()) if wait_s is None else wait_s

    async def give_back(self, caller: Caller, images: int) -> None:
        """Return images that were taken but not made."""
        if await self._ask(caller, -images) is None:
            self._own.give_back(caller, images)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, caller: Caller, images: int) -> float | None:
        """The answer of Redis, or None without one."""
        from redis.exceptions import RedisError

        if self._clock() < self._paused_until:
            self._failures.inc()
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._take([_key(caller)], [caller[1], images, TOLERANCE])
        except (RedisError, OSError, TimeoutError) as error:
            self._note_failure(error)
            return None
        if self._is_down:
            log.info("the rate limits are shared again: Redis answers")
            self._is_down = False
        return float(answer)

    def _note_failure(self, error: Exception) -> None:
        self._failures.inc()
        self._paused_until = self._clock() + PAUSE_S
        if not self._is_down:
            reason = type(error).__name__  # its text may hold the address
            log.warning("Redis does not answer (%s): each worker applies limits alone", reason)
        self._is_down = True


def connect(url: str) -> "Redis":
    """A client of Redis, which connects when it is first used; raises StartError."""
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise StartError(
            "limits_url needs the package redis: pip install 'mirage-gan[redis]'"
        ) from error
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:  # its text may hold the password
        raise StartError("limits_url is no URL of Redis, such as redis://host:6379/0") from error
    return Redis.from_pool(pool)


def _key(caller: Caller) -> str:
    """A name without the caller's address or key."""
    text = f"{caller[1]} {caller[0]}".encode()
    return f"mirage:images:{blake2b(text, digest_size=16).hexdigest()}"
