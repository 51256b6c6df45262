"""Clients that keep a service busy and check every response."""

import asyncio
import hashlib
import json
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

SEEDS = 64
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
MODEL = re.compile(rb"x-model: (\S+)", re.IGNORECASE)


@dataclass
class Load:
    """Results of the clients; statuses other than 200 and changed bytes of a seed are errors."""

    port: int
    count: int = 1  # images of a request
    answers: list[tuple[float, float]] = field(default_factory=list)  # start, seconds
    errors: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    digests: dict[tuple[str, int], str] = field(default_factory=dict)
    newest: str = ""  # the model of the last answer
    stopped: bool = False

    async def client(self, number: int) -> None:
        """Send requests one by one until stopped, reusing the connection."""
        connection = None
        seed = number
        while not self.stopped:
            seed = (seed + 1) % SEEDS
            started = time.perf_counter()
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self.port)
                head, body = await exchange(*connection, self._request(seed))
                self._look_at(seed, head, body)
                if b"connection: close" in head.lower():
                    connection[1].close()
                    connection = None
            except (OSError, EOFError) as error:
                self.errors[f"{error!r:.200} after {time.perf_counter() - started:.3f} s"] += 1
                connection = None
            self.answers.append((started, time.perf_counter() - started))
        if connection:
            connection[1].close()

    def _request(self, seed: int) -> bytes:
        body = json.dumps({"model": "mnist", "seed": seed, "count": self.count}).encode()
        return (
            b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"accept: application/zip\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )

    def _look_at(self, seed: int, head: bytes, body: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200"):
            self.errors[head.split(b"\r\n")[0].decode()] += 1
            return
        found = MODEL.search(head)
        model = found[1].decode() if found else ""
        self.models[model] += 1
        self.newest = model
        digest = hashlib.sha256(body).hexdigest()
        if self.digests.setdefault((model, seed), digest) != digest:
            self.errors["other bytes for the same seed"] += 1

    def summary(self) -> dict[str, object]:
        seconds = [seconds for _, seconds in self.answers]
        return {
            "requests": len(seconds),
            "errors": dict(self.errors),
            "models": dict(self.models),
            **quantiles_ms(seconds),
        }


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    quantiles = statistics.quantiles(seconds, n=100)
    found = {"p50_ms": quantiles[49], "p99_ms": quantiles[98], "max_ms": max(seconds)}
    return {name: round(1000 * value, 1) for name, value in found.items()}


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[bytes, bytes]:
    """Send a request; returns head and body of the response."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    found = LENGTH.search(head)
    return head, await reader.readexactly(int(found[1]) if found else 0)


async def under_load(load: Load, clients: int, work: asyncio.Future[None]) -> None:
    """Run clients in the background while the block runs."""
    tasks = [asyncio.create_task(load.client(number)) for number in range(clients)]
    try:
        await work
    finally:
        load.stopped = True
        await asyncio.gather(*tasks)
