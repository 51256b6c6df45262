"""Minutes of mixed load: images of every kind, garbage, huge requests, and clients who leave.

Every request that stays is to be answered, none with a status of 500, and the memory of the
service's processes is to be in the last minute what it was in the first: medians, for at any moment
it depends on which large requests are under way. So it is to be, too, when the load is over, and
lanes have rested, beside what it was before. Every batch size is warm before.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from generators import make_models
from serving.processes import memory_mb
from serving.servers import Server, add_options, running

CLIENTS = 16
TIMEOUT_S = 60
SAMPLE_S = 2
WARM_MINUTES = 1  # of the same load: then all has come once
REST_S = 10  # more than lanes have to be without work to give memory back

Request = tuple[str, dict[str, str], bytes]
JSON = {"content-type": "application/json"}
OCTETS = {"content-type": "application/octet-stream"}
LEFT, UNANSWERED = "left", "unanswered"


def single(rng: random.Random) -> Request:
    return "/generate", JSON, json.dumps({"seed": rng.getrandbits(53)}).encode()


def several(rng: random.Random) -> Request:
    body = {"count": rng.choice((2, 16, 64, 256)), "seed": rng.getrandbits(53)}
    accept = rng.choice(("application/zip", "multipart/mixed", "application/json", "image/webp"))
    return "/generate", {**JSON, "accept": accept}, json.dumps(body).encode()


def octets(rng: random.Random) -> Request:
    return "/generate?labels=3", OCTETS, rng.randbytes(4 * rng.randrange(1, 200))


def walk(rng: random.Random) -> Request:
    body = {"points": [{"seed": rng.randrange(99)} for _ in range(3)], "frames": 24}
    return "/interpolate", JSON, json.dumps(body).encode()


def garbage(rng: random.Random) -> Request:
    kind = rng.choice(("application/json", "application/x-npy", "text/plain"))
    return "/generate", {"content-type": kind}, rng.randbytes(rng.randrange(1, 3000))


def nested(rng: random.Random) -> Request:
    return "/generate", JSON, b"[" * rng.randrange(1, 10**5)


def huge(rng: random.Random) -> Request:
    return "/generate", JSON, b'{"latents": [[' + b"0," * (rng.randrange(1, 6) * 10**6) + b"0]]}"


def unknown(rng: random.Random) -> Request:
    body = {rng.choice(("sed", "version", "model", "labels")): rng.randrange(-5, 10**9)}
    return (
        rng.choice(("/generate", "/none", "/v2/models/mnist/infer")),
        JSON,
        json.dumps(body).encode(),
    )


KINDS = {single: 60, several: 10, octets: 8, walk: 2, garbage: 8, nested: 2, huge: 1, unknown: 8}


async def send(port: int, request: Request, rng: random.Random) -> str:
    """The status of the answer; `left` when this client goes before it."""
    path, headers, body = request
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [f"POST {path} HTTP/1.1", "host: x", "connection: close", *lines]
        writer.write("\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode())
        if rng.random() < 0.05:
            writer.write(body[: len(body) // 2])
            await asyncio.sleep(rng.random() / 20)
            return LEFT
        writer.write(body)
        if rng.random() < 0.05:
            await asyncio.sleep(rng.random() / 20)
            return LEFT
        # A service that refuses a body early closes; what it said may be lost to a reset then.
        answer = await asyncio.wait_for(reader.read(-1), TIMEOUT_S)
        return answer[9:12].decode() or UNANSWERED
    except ConnectionError:
        return "reset" if len(body) > 2**20 else UNANSWERED
    except TimeoutError:
        return UNANSWERED
    finally:
        writer.close()


async def client(port: int, until: float, number: int, statuses: Counter[str]) -> None:
    rng = random.Random(number)
    kinds, weights = list(KINDS), list(KINDS.values())
    while time.monotonic() < until:
        kind = rng.choices(kinds, weights)[0]
        status = await send(port, kind(rng), rng)
        statuses[f"{status}: {kind.__name__}" if status == UNANSWERED else status] += 1


async def warm(port: int) -> None:
    """Every batch size, and the largest of everything, once and again."""
    rng = random.Random(0)
    for count in (1, 2, 4, 8, 16, 32, 256) * 3:
        body = json.dumps({"count": count}).encode()
        await asyncio.gather(
            *(send(port, ("/generate", JSON, body), random.Random(5)) for _ in "12")
        )
        await send(port, huge(rng), random.Random(5))


async def soak(server: Server, minutes: float) -> dict[str, object]:
    await warm(server.port)
    await asyncio.gather(*begin(server, time.monotonic() + 60 * WARM_MINUTES, Counter()))
    await asyncio.sleep(REST_S)
    before = memory_mb(server.pid)
    statuses: Counter[str] = Counter()
    until = time.monotonic() + 60 * minutes
    clients = begin(server, until, statuses)
    resident = []
    for minute in range(math.ceil(minutes)):
        samples = [memory async for memory in watch(server, until - 60 * (minutes - minute - 1))]
        resident.append(round(statistics.median(samples), 1))
        print(json.dumps({"resident_mb": resident[-1], **statuses}), file=sys.stderr)
    await asyncio.gather(*clients)
    await asyncio.sleep(REST_S)
    return {
        "minutes": minutes,
        "statuses": dict(sorted(statuses.items())),
        "resident_mb": resident,
        "resident_end_to_minute_1": round(resident[-1] / resident[0], 3),
        "resting_mb": [before, memory_mb(server.pid)],
    }


def begin(server: Server, until: float, statuses: Counter[str]) -> "list[asyncio.Future[None]]":
    """Clients that ask until then."""
    return [
        asyncio.ensure_future(client(server.port, until, number, statuses))
        for number in range(CLIENTS)
    ]


async def watch(server: Server, until: float) -> AsyncIterator[float]:
    """What the processes hold, again and again until then."""
    while True:
        await asyncio.sleep(min(SAMPLE_S, max(0.0, until - time.monotonic())))
        yield memory_mb(server.pid)
        if time.monotonic() >= until:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--to", type=Path, help="a file for the result")
    add_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph = make_models(Path(folder))["mnist"]
        with running("mirage", graph, options) as server:
            found = asyncio.run(soak(server, options.minutes))
    if options.to:
        options.to.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
