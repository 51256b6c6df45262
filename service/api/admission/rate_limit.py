"""The rate limit: images per minute and caller."""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from ipaddress import IPv6Address, ip_address

from mirage.service.errors import LimitExceeded, RateLimited, ServiceError
from mirage.service.sharing.rate_buckets import Buckets, Caller, LocalBuckets
from mirage.service.sharing.redis_buckets import RedisBuckets
from mirage.service.telemetry.logging import Record

FREE = nullcontext()  # without a limit


class Rates:
    """A token bucket for each key, or for each client address if no keys are required.

    remote: buckets that replicas share, used instead of `buckets`.
    """

    def __init__(
        self,
        images_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
        buckets: Buckets | None = None,
        remote: RedisBuckets | None = None,
    ) -> None:
        self._images_per_minute = images_per_minute
        self._clock = clock
        self._buckets = buckets or LocalBuckets()
        self._remote = remote

    def charged(self, record: Record, images: int) -> AbstractAsyncContextManager[None]:
        """Charge the caller for images; a ServiceError in the block refunds them.

        Raises RateLimited, and LimitExceeded for more images than a minute allows.
        """
        own_limit = record.images_per_minute
        per_minute = self._images_per_minute if own_limit is None else own_limit
        if per_minute is None:
            return FREE
        name = _address(record.client) if record.key is None else record.key
        return self._charged((name, per_minute), images)

    async def close(self) -> None:
        """Close the connections of `remote`."""
        if self._remote is not None:
            await self._remote.close()

    @asynccontextmanager
    async def _charged(self, caller: Caller, images: int) -> AsyncIterator[None]:
        await self._take(caller, images)
        try:
            yield
        except ServiceError:
            if self._remote is None:
                self._buckets.give_back(caller, images)
            else:
                await self._remote.give_back(caller, images)
            raise

    async def _take(self, caller: Caller, images: int) -> None:
        per_minute = caller[1]
        if images > per_minute:
            raise LimitExceeded.of(
                "count",
                f"count is {images}; at most {per_minute} images per minute are allowed,"
                " so ask for fewer at a time",
            )
        if self._remote is None:
            wait_s = self._buckets.take(caller, images, self._clock())
        else:
            wait_s = await self._remote.take(caller, images)
        if wait_s > 0:
            raise RateLimited(
                f"{images} images are over the limit of {per_minute} per minute for now;"
                f" they are allowed in {math.ceil(wait_s)} s",
                retry_after_s=wait_s,
            )


def _address(host: str) -> str:
    """Return the client's address; of IPv6 the /64 network, as a host may use all of it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
