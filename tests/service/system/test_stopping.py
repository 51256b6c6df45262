"""The real process is told to stop: it drains, finishes and leaves, or leaves at once."""

import contextlib
import http.client
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.service.helpers.hanging_service import HANG
from tests.service.helpers.server_process import Process, accepts, answer, serving

BODY = b'{"seed": 7}'
HANGING = json.dumps({"latents": [[HANG, 0, 0, 0, 0]], "labels": 3}).encode()
JSON = {"content-type": "application/json"}
RUNNING = re.compile(rb'mirage_batch_running_seconds{model="toy",version="1"} (\S+)')


def begin(process: Process) -> http.client.HTTPConnection:
    """A request that has reached the service, but whose body is not complete yet."""
    connection = process.connect()
    connection.putrequest("POST", "/generate")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(len(BODY)))
    connection.endheaders(BODY[:4])
    until(process, lambda text: b"mirage_requests_in_flight 1.0" in text)
    return connection


def finish(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    connection.send(BODY[4:])
    return connection.getresponse()


@contextlib.contextmanager
def hanging(root: Path, *flags: str) -> Iterator[Process]:
    """A server whose engine hangs, with one client that waits."""
    with serving(root, *flags, program="tests.service.helpers.hanging_service") as process:
        connection = process.connect()
        with contextlib.closing(connection):
            connection.request("POST", "/generate", HANGING, JSON)
            until(process, lambda text: float(running(text)) > 0)
            yield process


def until(process: Process, is_so: Callable[[bytes], bool]) -> None:
    """Wait for something that the metrics tell."""
    begun = time.monotonic()
    while not is_so(process.get("/metrics")[1]):
        assert time.monotonic() < begun + 60


def running(text: bytes) -> bytes:
    found = RUNNING.search(text)
    assert found is not None
    return found[1]


def test_after_sigterm_it_is_not_ready_but_serves_and_lets_clients_go(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "600") as process:
        with contextlib.closing(process.connect()) as kept:
            kept.request("POST", "/generate", BODY, JSON)
            response = kept.getresponse()
            assert (response.read()[:4], response.getheader("connection")) == (b"\x89PNG", None)
            process.popen.send_signal(signal.SIGTERM)
            while process.get("/readyz")[0] != 503:
                pass
            assert process.get("/healthz")[0] == 200
            kept.request("POST", "/generate", BODY, JSON)
            response = kept.getresponse()
            assert (response.status, response.getheader("connection")) == (200, "close")
            assert response.read()[:4] == b"\x89PNG"
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0, "a second signal ends the delay, and nothing was in flight"
        assert b"stopped at once requests=0" in process.log


def test_what_is_in_flight_is_finished(models_root: Path) -> None:
    with (
        serving(models_root, "--drain-delay-s", "0") as process,
        contextlib.closing(begin(process)) as slow,
    ):
        process.popen.send_signal(signal.SIGTERM)
        while accepts(process.port):
            pass
        response = finish(slow)
        assert (response.status, response.read()[:4]) == (200, b"\x89PNG")
        assert response.getheader("connection") == "close"
        assert process.wait() == 0
        assert b"Traceback" not in process.log


def test_a_second_signal_does_not_wait_for_anybody(models_root: Path) -> None:
    with (
        serving(models_root, "--drain-delay-s", "600") as process,
        contextlib.closing(begin(process)),
    ):
        process.popen.send_signal(signal.SIGTERM)
        while process.get("/readyz")[0] != 503:
            pass
        assert process.stop() == 1
        assert b"stopped at once requests=1" in process.log


def test_an_interrupt_stops_without_delay(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "600") as process:
        assert process.stop(signal.SIGINT) == 0


def test_a_terminal_that_is_closed_lets_it_drain(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "600") as process:
        process.popen.send_signal(signal.SIGHUP)
        while process.get("/readyz")[0] != 503:
            pass
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0


def test_signals_that_mean_nothing_here_end_nothing(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "0") as process:
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            process.popen.send_signal(number)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0


def test_a_run_that_hangs_does_not_keep_the_process_beyond_its_grace(models_root: Path) -> None:
    with hanging(models_root, "--drain-delay-s", "0", "--grace-s", "0.2") as process:
        assert process.stop() == 1
        assert b"grace is over requests=1" in process.log


def test_a_run_that_hangs_after_its_client_left_does_not_either(models_root: Path) -> None:
    flags = ("--drain-delay-s", "0", "--grace-s", "0.2", "--deadline-s", "1")
    with hanging(models_root, *flags) as process:
        until(process, lambda text: b"mirage_requests_in_flight 0.0" in text)
        assert process.stop() == 1
        assert b"grace is over requests=0" in process.log


def test_a_run_that_hangs_is_told_by_the_health_check(models_root: Path) -> None:
    flags = ("--stuck-s", "0.001", "--drain-delay-s", "0", "--grace-s", "0.1")
    with hanging(models_root, *flags) as process:
        for path in ("/healthz", "/v2/health/live"):
            status, body = process.get(path)
            assert (status, b"takes" in body) == (503, True)
        assert process.get("/readyz")[0] == 200
        process.stop()
