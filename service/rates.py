"""How many images a caller may have in a minute."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

from service.errors import LimitExceeded, RateLimited, ServiceError
from service.record import Record

MOST_CALLERS = 10_000  # whose buckets are kept; those who came last
NOTHING = 1e-6  # images, below which rounding alone makes a difference


class Bucket:
    """Holds a minute's images at most, starts full, and is refilled evenly; times in seconds."""

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._images = float(per_minute)
        self._filled_at = now

    def take(self, images: int, now: float) -> float:
        """Take images; 0, or else the seconds until so many are there."""
        gained = (now - self._filled_at) * self.per_minute / 60
        self._images = min(float(self.per_minute), self._images + gained)
        self._filled_at = now
        missing = images - self._images
        if missing > NOTHING:
            return missing * 60 / self.per_minute
        self._images -= images
        return 0.0

    def give_back(self, images: int) -> None:
        """Put back what was taken in vain."""
        self._images += images


class Rates:
    """One bucket a key, or a client's address where no keys are asked for."""

    def __init__(
        self, images_per_minute: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._images_per_minute = images_per_minute
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, int], Bucket] = OrderedDict()  # least used first

    @contextmanager
    def charged(self, record: Record, images: int) -> Iterator[None]:
        """Count images for the caller, but not if a refusal leaves the block.

        Raises RateLimited, and LimitExceeded for more than a minute's images at once.
        """
        key = record.key
        own_limit = None if key is None else key.images_per_minute
        per_minute = self._images_per_minute if own_limit is None else own_limit
        if per_minute is None:
            yield
            return
        bucket = self._bucket(_address(record.client) if key is None else key.name, per_minute)
        _take(bucket, images, self._clock())
        try:
            yield
        except ServiceError:
            bucket.give_back(images)
            raise

    def _bucket(self, caller: str, per_minute: int) -> Bucket:
        bucket = self._buckets.setdefault((caller, per_minute), Bucket(per_minute, self._clock()))
        self._buckets.move_to_end((caller, per_minute))
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return bucket


def _take(bucket: Bucket, images: int, now: float) -> None:
    if images > bucket.per_minute:
        raise LimitExceeded.of(
            "count",
            f"count is {images}; at most {bucket.per_minute} images per minute are allowed,"
            " so ask for fewer at a time",
        )
    if (wait_s := bucket.take(images, now)) > 0:
        raise RateLimited(
            f"{images} images are over the limit of {bucket.per_minute} per minute for now;"
            f" they are allowed in {math.ceil(wait_s)} s",
            retry_after_s=wait_s,
        )


def _address(host: str) -> str:
    """The client's address; of IPv6 the network, for each host has more than it could count."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
