"""Requests that are sent when they are due, to a small server of this process."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path

import pytest

from benchmarks.serving.arrivals import (
    Answer,
    Posts,
    centiles_ms,
    length_of,
    made_s,
    on_all_cpus,
    poisson,
)

PROGRAM = Path(__file__).parents[2] / "benchmarks/serving/arrivals.py"
REQUEST = b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


def answer(status: int, body: bytes = b"an image") -> bytes:
    return b"HTTP/1.1 %d\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def served(*answers: list[bytes]) -> Iterator[int]:
    """The port of a server whose requests get these answers in turn, each in parts; b"" closes."""
    numbers = count()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(1000):
                for part in answers[next(numbers) % len(answers)]:
                    if not part:
                        return
                    self.request.sendall(part)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 1000

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def posting(most: int, *answers: list[bytes]) -> Iterator[Posts]:
    """Posts to such a server."""
    with served(*answers) as port:
        posts = Posts(port, REQUEST, most)
        try:
            yield posts
        finally:
            posts.close()


def statuses(posts: Posts) -> list[int]:
    return [found.status for found in posts.answers]


def test_each_request_is_answered_and_its_time_counts_from_when_it_was_due() -> None:
    with posting(4, [answer(200)], [answer(429)]) as posts:
        assert posts.run(iter([-5.0, 0.0, 0.01, 0.02])) == 0
    assert sorted(statuses(posts)) == [200, 200, 429, 429]
    assert sorted(found.due for found in posts.answers) == [-5.0, 0.0, 0.01, 0.02]
    times = {found.due: found.seconds for found in posts.answers}
    assert times[-5.0] > 5 > times[0.0] > 0


def test_an_answer_in_several_parts_is_one() -> None:
    whole = answer(200, b"x" * 5000)
    with posting(1, [whole[:5], whole[5:40], whole[40:]]) as posts:
        assert posts.run(iter([0.0])) == 0
    assert statuses(posts) == [200]


def test_what_was_sent_over_a_connection_that_has_just_ended_is_sent_again() -> None:
    with posting(2, [b""], [answer(200)]) as posts:
        assert posts.run(iter([0.0])) == 0
    assert statuses(posts) == [200]


def test_a_request_for_which_no_connection_is_free_is_told() -> None:
    with posting(1, [answer(200)]) as posts:
        posts.run(iter([-2.0, -1.0]))  # both are due at once
    assert len(posts.answers) + posts.unsent == 2


@pytest.mark.parametrize("cut", range(0, len(answer(200)), 7))
def test_an_answer_is_as_long_as_its_head_says(cut: int) -> None:
    whole = answer(200)
    assert length_of(whole) == len(whole)
    assert length_of(whole[:cut]) > cut


def test_arrivals_come_as_often_as_asked_and_irregularly() -> None:
    times = list(poisson(1000, 10))
    assert times == sorted(times)
    assert len(times) == pytest.approx(10_000, rel=0.05)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    longer = sum(pause > 1e-3 for pause in pauses) / len(pauses)
    assert longer == pytest.approx(0.368, abs=0.02)  # exp(-1)


def test_what_is_made_counts_when_it_comes() -> None:
    came = [(0.5, 0.4, 200), (0.5, 0.5, 200), (1.5, 0.2, 429), (2.0, 0.9, 200), (2.0, 1.0, 200)]
    assert made_s([Answer(*each) for each in came], seconds=2.0) == 1.0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no process")
def test_between_arrivals_it_goes_from_cpu_to_cpu() -> None:
    allowed = os.sched_getaffinity(0)
    found = []
    try:
        for due in on_all_cpus(iter([0.0, 0.01, 0.02, 0.04, 0.06, 0.08])):
            found.append((due, os.sched_getaffinity(0)))
    finally:
        os.sched_setaffinity(0, allowed)
    assert [due for due, _ in found] == [0.0, 0.01, 0.02, 0.04, 0.06, 0.08]
    cpus = [cpu for _, [cpu] in found]
    assert cpus[0] == cpus[1]  # it stays a while
    assert all(len(cpus) == 1 for _, cpus in found)
    assert len(set(cpus)) == min(len(allowed), 5)


def test_centiles_are_of_enough_only() -> None:
    assert centiles_ms([1.0] * 99) == {}
    found = centiles_ms([n / 1000 for n in range(1001)])
    assert found == {"p50_ms": 500.0, "p99_ms": 990.0, "p999_ms": 999.0}


def test_the_program_tells_what_has_become_of_all(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text("{}")
    with served([answer(200)]) as port:
        command = [sys.executable, str(PROGRAM), str(port), str(body), "300", "0.5", "1000"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert found["lost"] == found["unsent"] == 0
    assert found["statuses"]["200"] > 50
    assert found["made"].keys() == {"p50_ms", "p99_ms", "p999_ms"}
    assert found["refused"] == {}
