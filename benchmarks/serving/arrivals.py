"""Posts a request when it is due, whatever has been answered: arrivals of a Poisson process.

`python arrivals.py PORT BODY RATE SECONDS DEADLINE_MS` asks for what the file BODY says so often in
a second, and prints one JSON object: how many were answered with which status, and their times. An
answer's time counts from when its request was due, so that no answer is flattered because this
program or the service was late. It takes some 30 to 50 µs of a core for a request.
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

SETTLE_S = 1.0  # before what is counted
END_S = 5.0  # for answers after the last arrival
SOON_S = 0.0005  # until a request is due: answers that come meanwhile are read then
MOST = 6_000  # connections
AHEAD = -10  # niceness, where that is allowed
STAY_S = 0.015  # on one CPU
PART = 2**16  # bytes
MADE, REFUSED = 200, 429


class Answer(NamedTuple):
    """When its request was due, seconds after the start; how long it took from then; its status."""

    due: float
    seconds: float
    status: int


class Posts:
    """Sends one request over connections that stay open, any of those that are free.

    Where none is, another is opened, as pools of connections do, up to `most`. Were there as many
    from the start as overload takes, each request would find what belongs to its connection in no
    cache, in the service and in the kernel.
    """

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self.answers: list[Answer] = []
        self.unsent = 0  # for want of a connection
        self._port = port
        self._request = request
        self._most = most
        self._epoll = select.epoll()
        self._random = random.Random(1).random
        self._sockets: dict[int, socket.socket] = {}  # by number
        self._free: list[int] = []
        self._due: dict[int, float] = {}  # by connection
        self._parts: dict[int, bytes] = {}  # of answers that come in several

    def run(self, arrivals: Iterator[float]) -> int:
        """Send a request at each of these seconds; returns how many were not answered."""
        self._started = time.perf_counter()
        for due in arrivals:
            self._receive_until(due)
            self._send(due)
        self._receive_until(self._now() + END_S, enough=lambda: not self._due)
        return len(self._due)

    def close(self) -> None:
        """End all connections."""
        self._epoll.close()
        for each in self._sockets.values():
            each.close()

    def _receive_until(self, due: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Take in what comes; also what is there already if it is past due.

        To be woken for each answer would take as much of the cores as to send a request, so answers
        may wait a little, which counts.
        """
        wait_s = due - self._now()
        while not enough():
            if wait_s > SOON_S:
                select.select([self._epoll], [], [], wait_s)  # epoll's own counts whole ms
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
        with suppress(ConnectionError):  # it has just ended: what is read next says so
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
        """Leave a connection that has ended; what was just sent over it is sent again."""
        self._epoll.unregister(number)
        self._sockets.pop(number).close()
        if number in self._due:
            self._send(self._due.pop(number))
        else:
            self._free.remove(number)


def length_of(answer: bytes) -> int:
    """How many bytes an answer has, by what has come of it; more than those while it is unknown."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return len(answer) + 1
    start = answer.index(b"content-length: ") + len(b"content-length: ")
    return head + 4 + int(answer[start : answer.index(b"\r", start)])


def poisson(rate: float, seconds: float, seed: int = 7) -> Iterator[float]:
    """Seconds after the start at which something comes, `rate` times in a second on average."""
    draw, now = random.Random(seed).expovariate, 0.0
    while (now := now + draw(rate)) < seconds:
        yield now


def on_all_cpus(arrivals: Iterator[float]) -> Iterator[float]:
    """The same arrivals, between which this process goes from CPU to CPU.

    A service of one worker for each CPU has to do with as much of each. If this process stayed on
    one, as it mostly does, the worker there would be at its limit long before the others.
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
    """Some of them in milliseconds; none of fewer than 100."""
    if len(seconds) < 100:
        return {}
    cuts = statistics.quantiles(seconds, n=1000, method="inclusive")
    named = {"p50_ms": cuts[499], "p99_ms": cuts[989], "p999_ms": cuts[998]}
    return {name: round(1000 * value, 2) for name, value in named.items()}


def made_s(answers: Sequence[Answer], seconds: float) -> float:
    """How many images came within a second of those that are counted.

    Not how many were due in them: of those, more than can be made would wait at the end.
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
    with suppress(PermissionError):  # a late generator would send what is overdue in bursts
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
    gc.disable()  # nothing here is garbage
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
