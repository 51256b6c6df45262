"""How a dataset is divided into shards, and the names of its files."""

import json
from dataclasses import asdict, dataclass

from ..errors import DatasetError

FORMATS = ("tar", "parquet")
SHARD_SIZE = 10_000  # images; digits take seconds of one CPU and 33 MB
RECORD, PLAN, INDEX = "images.mirage.json", "images.plan.json", "images.index.json"


@dataclass(frozen=True)
class Plan:
    """`count` images in shards of `shard_size`; the last shard may have fewer."""

    format: str
    count: int
    shard_size: int

    @property
    def total(self) -> int:
        """The number of shards."""
        return -(-self.count // self.shard_size)

    def name(self, shard: int) -> str:
        """The name of the file of a shard."""
        return f"images-{shard:06}.{self.format}"

    def span(self, shard: int) -> range:
        """The indices of the images of a shard."""
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, self.count))

    def images(self, shards: range) -> int:
        """The number of images of some shards."""
        missing = self.total * self.shard_size - self.count  # in the last shard
        return len(shards) * self.shard_size - missing * (self.total - 1 in shards)

    def to_bytes(self) -> bytes:
        """Serialize as JSON."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def parse_plan(raw: bytes, name: str) -> Plan:
    """Parse the file of a plan; raises DatasetError."""
    try:
        plan = Plan(**json.loads(raw))
        numbers = (plan.count, plan.shard_size)
        if plan.format not in FORMATS or not all(type(n) is int and n > 0 for n in numbers):
            raise ValueError
    except (TypeError, ValueError):
        raise DatasetError(f"{name} is not a plan of a dataset that this version reads") from None
    return plan
