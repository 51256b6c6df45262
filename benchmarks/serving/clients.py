"""Clients for the soak test: well-behaved ones, and slow, disconnecting, flooding and invalid ones.

Each takes a port, a random generator and a report, and performs one action once.
"""

import asyncio
import json
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

TIMEOUT_S = 60
JSON = {"content-type": "application/json"}
OCTETS = {"content-type": "application/octet-stream"}
LEFT, UNANSWERED = "left", "unanswered"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Report:
    """Responses by status, and the latency of small requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """Faults, responses by status, and latency of small requests on persistent connections.

        The maximum, p100, shows how much other clients can affect a well-behaved one.
        """
        waits = sorted(self.waits_s)
        cuts = statistics.quantiles(waits, n=100) if len(waits) > 1 else waits * 99
        statuses = dict(sorted(self.statuses.items()))
        return {
            "answers_500": sum(n for name, n in statuses.items() if name.endswith("500")),
            "unanswered": sum(n for name, n in statuses.items() if UNANSWERED in name),
            "p50_ms": round(1000 * cuts[49], 1) if cuts else None,
            "p99_ms": round(1000 * cuts[98], 1) if cuts else None,
            "p100_ms": round(1000 * waits[-1], 1) if waits else None,
            "statuses": statuses,
        }


@dataclass(frozen=True)
class Request:
    """A request with path, headers and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    def encode(self, *, keep_alive: bool) -> bytes:
        """The bytes of the request."""
        lines = [f"POST {self.path} HTTP/1.1", "host: x"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [] if keep_alive else ["connection: close"]
        head = "\r\n".join([*lines, f"content-length: {len(self.body)}", "", ""])
        return head.encode() + self.body


def single(rng: random.Random) -> Request:
    return Request("/generate", JSON, json.dumps({"seed": rng.getrandbits(53)}).encode())


def several(rng: random.Random) -> Request:
    body = {"count": rng.choice((2, 16, 64, 256)), "seed": rng.getrandbits(53)}
    accept = rng.choice(("application/zip", "multipart/mixed", "application/json", "image/webp"))
    return Request("/generate", {**JSON, "accept": accept}, json.dumps(body).encode())


def octets(rng: random.Random) -> Request:
    return Request("/generate?labels=3", OCTETS, rng.randbytes(4 * rng.randrange(1, 200)))


def interpolation(rng: random.Random) -> Request:
    body = {"points": [{"seed": rng.randrange(99)} for _ in range(3)], "steps": 12}
    return Request("/interpolate", JSON, json.dumps(body).encode())


def garbage(rng: random.Random) -> Request:
    kind = rng.choice(("application/json", "application/x-npy", "text/plain"))
    return Request("/generate", {"content-type": kind}, rng.randbytes(rng.randrange(1, 3000)))


def nested(rng: random.Random) -> Request:
    return Request("/generate", JSON, b"[" * rng.randrange(1, 10**5))


def huge(rng: random.Random) -> Request:
    numbers = b"0," * (rng.randrange(1, 6) * 10**6)
    return Request("/generate", JSON, b'{"latents": [[' + numbers + b"0]]}")


def unknown(rng: random.Random) -> Request:
    body = {rng.choice(("sed", "version", "model", "labels")): rng.randrange(-5, 10**9)}
    path = rng.choice(("/generate", "/none", "/v2/models/mnist/infer"))
    return Request(path, JSON, json.dumps(body).encode())


KINDS: dict[Callable[[random.Random], Request], int] = {
    single: 60,
    several: 10,
    octets: 8,
    interpolation: 2,
    garbage: 8,
    nested: 2,
    huge: 1,
    unknown: 8,
}
LARGE = Request(
    "/generate", {**JSON, "accept": "application/x-npy"}, b'{"count": 256}'
)  # the response has megabytes

# Invalid requests; each gets an error, and the connection is closed.
MALFORMED = (
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
    b"POST /generate HTTP/1.1\r\nhost: x\r\n"
    b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
    b"POST /generate HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 10**5 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 20_000,
    b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Open a connection, and close it at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(connection: Connection, data: bytes) -> str:
    """Send a request and read the response; returns the status and keeps the connection open."""
    reader, writer = connection
    writer.write(data)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif found := re.search(r"\r\ncontent-length: (\d+)", head):
        await reader.readexactly(int(found[1]))
    return head[9:12]


async def one_request(port: int, rng: random.Random, report: Report) -> None:
    """Send a request on a new connection."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    request = kind(rng)
    try:
        async with asyncio.timeout(TIMEOUT_S), connected(port) as connection:
            status = await ask(connection, request.encode(keep_alive=False))
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        # A service that rejects a body early closes; the client may then miss the response.
        status = "reset" if len(request.body) > 2**20 else f"{UNANSWERED}: {kind.__name__}"
    report.statuses[status] += 1


async def kept_connection(port: int, rng: random.Random, report: Report) -> None:
    """Send several small requests on one connection and time each."""
    try:
        async with connected(port) as connection:
            for _ in range(rng.randrange(1, 50)):
                began = time.monotonic()
                async with asyncio.timeout(TIMEOUT_S):
                    status = await ask(connection, single(rng).encode(keep_alive=True))
                report.waits_s.append(time.monotonic() - began)
                report.statuses[status] += 1
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        report.statuses[f"{UNANSWERED}: kept"] += 1


async def leaver(port: int, rng: random.Random, report: Report) -> None:
    """Disconnect during the head, the body, the batch or the response."""
    data = single(rng).encode(keep_alive=True)
    head = data.index(b"\r\n\r\n") + 4
    with suppress(ConnectionError):
        async with connected(port) as (reader, writer):
            stage = rng.choice(("head", "body", "batch", "answer", "pipeline"))
            if stage == "head":
                writer.write(data[: rng.randrange(head)])
            elif stage == "body":
                writer.write(data[: rng.randrange(head, len(data))])
            elif stage == "batch":
                writer.write(data)
            elif stage == "pipeline":
                writer.write(data * rng.randrange(2, 100))
            else:
                writer.write(LARGE.encode(keep_alive=True))
                await asyncio.wait_for(reader.read(100), TIMEOUT_S)
            await asyncio.sleep(rng.random() / 20)
            if rng.random() < 0.5:
                writer.transport.abort()
    report.statuses[LEFT] += 1


async def silent(port: int, _rng: random.Random, report: Report) -> None:
    """Send nothing, or half a head, until the service closes the connection."""
    with suppress(ConnectionError):
        async with connected(port) as (reader, writer):
            if _rng.random() < 0.5:
                writer.write(b"POST /generate HTTP/1.1\r\nhost:")
            async with asyncio.timeout(2 * TIMEOUT_S):
                await reader.read(-1)
    report.statuses["silent"] += 1


async def slow_sender(port: int, rng: random.Random, report: Report) -> None:
    """Send a request in small pieces; expects a response or a timeout status."""
    data = single(rng).encode(keep_alive=False)
    pause_s = rng.choice((0.01, 0.2))
    status = UNANSWERED
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        async with asyncio.timeout(2 * TIMEOUT_S), connected(port) as (reader, writer):
            for start in range(0, len(data), 10):
                writer.write(data[start : start + 10])
                await asyncio.sleep(pause_s)
            status = (await reader.read(-1))[9:12].decode()
    report.statuses[f"slow sender: {status}"] += 1


async def slow_reader(port: int, rng: random.Random, report: Report) -> None:
    """Request a large response and read little of it."""
    with suppress(ConnectionError):
        async with asyncio.timeout(2 * TIMEOUT_S), connected(port) as (reader, writer):
            writer.write(LARGE.encode(keep_alive=False) * rng.choice((1, 20)))
            while await reader.read(2**14):
                await asyncio.sleep(0.1)
    report.statuses["slow reader"] += 1


async def malformed(port: int, rng: random.Random, report: Report) -> None:
    """Send invalid bytes, some of them after a valid request."""
    before = single(rng).encode(keep_alive=True) * rng.randrange(3)
    status = UNANSWERED
    with suppress(ConnectionError):
        async with asyncio.timeout(TIMEOUT_S), connected(port) as (reader, writer):
            writer.write(before + rng.choice(MALFORMED))
            found = re.findall(rb"HTTP/1\.1 (\d{3})", await reader.read(-1))
            status = found[-1].decode() if found else "reset"
    report.statuses[f"malformed: {status}"] += 1


async def flood(port: int, rng: random.Random, report: Report) -> None:
    """Send a head or a body far over the limits, ignoring responses."""
    path = rng.choice((b"x: y\r\n" * 10_000, b"content-length: 50000000\r\n\r\n" + bytes(10**5)))
    with suppress(ConnectionError):
        async with asyncio.timeout(TIMEOUT_S), connected(port) as (reader, writer):
            writer.write(
                b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            )
            for _ in range(100):
                writer.write(path)
                await writer.drain()
            await reader.read(-1)
    report.statuses["flood"] += 1


Manner = Callable[[int, random.Random, Report], Awaitable[None]]
# Number of concurrent clients of each kind.
CLIENTS: dict[Manner, int] = {
    one_request: 10,
    kept_connection: 6,
    leaver: 4,
    silent: 10,
    slow_sender: 4,
    slow_reader: 2,
    malformed: 2,
    flood: 1,
}
