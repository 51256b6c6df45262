"""Open-loop load: posts each request when it is due, with Poisson arrivals.

`python arrivals.py PORT BODY RATE SECONDS DEADLINE_MS` posts the content of the file BODY at the
given rate and prints one JSON object with the responses by status and their latency. Latency counts
from the time at which a request was due, so delays of this program or the service are included. A
request takes about 30 to 50 µs of one core.
"""

import argparse
import gc
import itertools
import json
import os
import random
import resource
import select
import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SETTLE_S = 1.0  # before counting starts
END_S = 5.0  # to receive responses after the last arrival
SOON_S = 0.0005  # before a request is due; responses are then read later
MOST = 6_000  # connections
AHEAD = -10  # niceness, where that is allowed
STAY_S = 0.015  # on one CPU
PART = 2**16  # bytes
MADE, REFUSED = 200, 429


class Answer(NamedTuple):
    """A response: due time in seconds after the start, latency from then, and status."""

    due: float
    seconds: float
    status: int


class Posts:
    """Sends requests over persistent connections, using any free one.

    If none is free, another connection is opened, up to `most`, as connection pools do. Opening all
    of them at the start would change the result: with thousands of connections, each misses the
    caches of the service and the kernel.
    """

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self.answers: list[Answer] = []
        self.unsent = 0  # because no connection was free
        self._port = port
        self._request = request
        self._most = most
        self._epoll = select.epoll()
        self._random = random.Random(1).random
        self._sockets: dict[int, socket.socket] = {}  # by number
        self._free: list[int] = []
        self._due: dict[int, float] = {}  # by connection
        self._parts: dict[int, bytes] = {}  # of responses that arrive in several parts

    def run(self, arrivals: Iterator[float]) -> int:
        """Send a request at each due time in seconds; returns the number of unanswered ones."""
        self._started = time.perf_counter()
        for due in arrivals:
            self._receive_until(due)
            self._send(due)
        self._receive_until(self._now() + END_S, enough=lambda: not self._due)
        return len(self._due)

    def close(self) -> None:
        """Close all connections."""
        self._epoll.close()
        for each in self._sockets.values():
            each.close()

    def _receive_until(self, due: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Read responses until the deadline; reads available ones even if it has passed.

        Waking up for each response would cost as much as sending a request, so responses may wait a
        little; this is included in the latency.
        """
        wait_s = due - self._now()
        while not enough():
            if wait_s > SOON_S:
                select.select(
                    [self._epoll], [], [], wait_s
                )  # epoll's timeout has a resolution of 1 ms
            elif wait_s > 0:
                time.sleep(wait_s)
            self._receive_all()
            wait_s = due - self._now()
            if wait_s <= 0:
                return

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _send(self, due: float) -> None:
        free = self._free
        if not free:
            if len(self._sockets) >= self._most:
                self.unsent += 1
                return
            self._connect()
        at = int(self._random() * len(free))
        number, free[at] = free[at], free[-1]
        free.pop()
        self._due[number] = due
        with suppress(ConnectionError):  # the connection just ended; the next read reports it
            self._sockets[number].send(self._request)

    def _connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        number = connection.fileno()
        self._sockets[number] = connection
        self._free.append(number)
        self._epoll.register(number, select.EPOLLIN)

    def _receive_all(self) -> None:
        for number, _ in self._epoll.poll(0):
            try:
                part = self._sockets[number].recv(PART)
            except ConnectionError:
                part = b""
            if part:
                self._receive(number, part)
            else:
                self._drop(number)

    def _receive(self, number: int, part: bytes) -> None:
        data = self._parts.pop(number, b"") + part
        if len(data) < length_of(data):
            self._parts[number] = data
            return
        due = self._due.pop(number)
        self.answers.append(Answer(due, self._now() - due, int(data[9:12])))
        self._free.append(number)

    def _drop(self, number: int) -> None:
        """Close an ended connection, and resend the request that was just sent over it."""
        self._epoll.unregister(number)
        self._sockets.pop(number).close()
        if number in self._due:
            self._send(self._due.pop(number))
        else:
            self._free.remove(number)


def length_of(answer: bytes) -> int:
    """The size of a response from its first bytes; larger than received while unknown."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return len(answer) + 1
    start = answer.index(b"content-length: ") + len(b"content-length: ")
    return head + 4 + int(answer[start : answer.index(b"\r", start)])


def poisson(rate: float, seconds: float, seed: int = 7) -> Iterator[float]:
    """Arrival times of a Poisson process in seconds after the start; rate: per second."""
    draw, now = random.Random(seed).expovariate, 0.0
    while (now := now + draw(rate)) < seconds:
        yield now


def on_all_cpus(arrivals: Iterator[float]) -> Iterator[float]:
    """Run the same arrivals while moving this process between CPUs.

    With one worker per CPU, each CPU should get the same share of this process. If it stayed on one
    CPU, the worker there would saturate first.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield from arrivals
        return
    cpus = itertools.cycle(os.sched_getaffinity(0))
    leave_at = 0.0
    for due in arrivals:
        if due >= leave_at:
            os.sched_setaffinity(0, {next(cpus)})
            leave_at = due + STAY_S
        yield due


def centiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds; empty for fewer than 100 values."""
    if len(seconds) < 100:
        return {}
    cuts = statistics.quantiles(seconds, n=1000, method="inclusive")
    named = {"p50_ms": cuts[499], "p99_ms": cuts[989], "p999_ms": cuts[998]}
    return {name: round(1000 * value, 2) for name, value in named.items()}


def made_s(answers: Sequence[Answer], seconds: float) -> float:
    """The number of images completed per second in the counted interval.

    It does not count by due time: in overload, requests that are due late would still be waiting.
    """
    came = (answer.due + answer.seconds for answer in answers if answer.status == MADE)
    return round(sum(SETTLE_S <= moment < SETTLE_S + seconds for moment in came) / seconds, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("deadline_ms", type=int)
    options = parser.parse_args()
    with suppress(
        PermissionError
    ):  # a delayed load generator would send overdue requests in bursts
        os.nice(AHEAD)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    body = options.body.read_bytes()
    head = (
        "POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"x-deadline-ms: {options.deadline_ms}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    most = min(MOST, 16 + int(options.rate * options.deadline_ms / 1000))
    posts = Posts(options.port, head.encode() + body, most)
    gc.disable()  # collections would delay requests
    lost = posts.run(on_all_cpus(poisson(options.rate, SETTLE_S + options.seconds)))
    posts.close()
    counted = [answer for answer in posts.answers if answer.due >= SETTLE_S]
    times = {
        status: [answer.seconds for answer in counted if answer.status == status]
        for status in (MADE, REFUSED)
    }
    found = {
        "statuses": Counter(answer.status for answer in counted),
        "made_s": made_s(posts.answers, options.seconds),
        "lost": lost,
        "unsent": posts.unsent,
        "made": centiles_ms(times[MADE]),
        "refused": centiles_ms(times[REFUSED]),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
