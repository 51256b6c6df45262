"""Runs minutes of mixed load by all kinds of clients (`serving/clients.py`) at the same time.

Fails unless every request of a well-behaved client is answered in time and without status 500, and
unless the service's memory is stable: the medians of the first and the last tenth are compared, and
the memory at rest before and after. All batch sizes are warmed up first.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from generators import make_models
from serving.clients import CLIENTS, JSON, UNANSWERED, Manner, Report, Request, ask, connected, huge
from serving.processes import memory_mb
from serving.servers import Server, add_options, running

WINDOWS = 10  # parts of the whole time, each with a median
SAMPLE_S = 2
WARM_S = 60  # of the same load, so that everything has occurred once
REST_S = 10  # longer than lanes must be idle to release memory


async def client(manner: Manner, port: int, until: float, number: int, report: Report) -> None:
    """Repeat an action until the deadline."""
    rng = random.Random(number)
    while time.monotonic() < until:
        try:
            await manner(port, rng, report)
        except TimeoutError:
            report.statuses[f"{UNANSWERED}: {manner.__name__}"] += 1


def begin(server: Server, until: float, report: Report) -> "list[asyncio.Future[None]]":
    """Run all kinds of clients until the deadline."""
    manners = [manner for manner, count in CLIENTS.items() for _ in range(count)]
    return [
        asyncio.ensure_future(client(manner, server.port, until, number, report))
        for number, manner in enumerate(manners)
    ]


async def warm(port: int) -> None:
    """Request every batch size and the largest responses."""
    for count in (1, 2, 4, 8, 16, 32, 256) * 3:
        request = Request("/generate", JSON, json.dumps({"count": count}).encode())
        await asyncio.gather(*(send(port, request) for _ in "12"))
        await send(port, huge(random.Random(0)))


async def send(port: int, request: Request) -> None:
    async with connected(port) as connection:
        try:
            await ask(connection, request.encode(keep_alive=False))
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # a body that is rejected early


async def soak(server: Server, seconds: float) -> dict[str, object]:
    await warm(server.port)
    await asyncio.gather(*begin(server, time.monotonic() + min(WARM_S, seconds), Report()))
    await asyncio.sleep(REST_S)
    before = memory_mb(server.pid)
    report = Report()
    until = time.monotonic() + seconds
    clients = begin(server, until, report)
    resident = []
    for window in range(1, WINDOWS + 1):
        end = until - seconds * (1 - window / WINDOWS)
        samples = [memory async for memory in watch(server, end)]
        resident.append(round(statistics.median(samples), 1))
        print(json.dumps({"resident_mb": resident[-1], **report.statuses}), file=sys.stderr)
    await asyncio.gather(*clients)
    await asyncio.sleep(REST_S)
    return {
        "seconds": seconds,
        **report.summary(),
        "resident_mb": resident,
        "resident_end_to_start": round(resident[-1] / resident[0], 3),
        "resting_mb": [before, memory_mb(server.pid)],
    }


async def watch(server: Server, until: float) -> AsyncIterator[float]:
    """Sample the memory of the processes until the deadline."""
    while True:
        await asyncio.sleep(min(SAMPLE_S, max(0.0, until - time.monotonic())))
        yield memory_mb(server.pid)
        if time.monotonic() >= until:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--to", type=Path, help="a file for the result")
    add_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph = make_models(Path(folder))["mnist"]
        with running("mirage", graph, options) as server:
            found = asyncio.run(soak(server, options.seconds))
    if options.to:
        options.to.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
