"""What a client may send on a connection, how much of it, and in what time."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.service.processes.request_head import MAX_HEADERS
from tests.service.helpers.raw_http import (
    HEAD,
    answers,
    check_problem,
    chunked,
    connected,
    exchange,
    one_answer,
    seeded,
)
from tests.service.helpers.server_process import Process, serving


@pytest.fixture(scope="module")
def hasty(models_root: Path) -> Iterator[Process]:
    """A service with short timeouts."""
    flags = ("--head-timeout-s", "0.3", "--body-timeout-s", "0.3", "--keep-alive-s", "0.3")
    with serving(models_root, *flags, "--write-timeout-s", "0.3") as process:
        yield process


# Heads


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"x: y\r\n" * 20_000,
        HEAD + b"x: " + b"y" * 70_000,
        HEAD + b"x" * 70_000,
        b"GET /" + b"x" * 70_000,
        b"GET /?" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n",
    ],
    ids=["many lines", "an endless value", "an endless name", "an endless path", "a query"],
)
def test_a_head_over_64_kib_is_431(process: Process, head: bytes) -> None:
    (answer,) = exchange(process.port, head)
    check_problem(answer, 431, "head-too-large")


def test_a_head_just_below_64_kib_is_read(process: Process) -> None:
    (answer,) = exchange(process.port, seeded(7, "x: " + "y" * 65_000))
    assert (answer.status, answer.headers["x-seed"]) == (200, "7")


def test_a_request_has_up_to_256_headers(process: Process) -> None:
    own = len(seeded(7).splitlines()) - 3  # without the target, the empty line and the body
    (answer,) = exchange(process.port, seeded(7, *["x:"] * (MAX_HEADERS - own)))
    assert answer.status == 200
    (answer,) = exchange(process.port, seeded(7, *["x:"] * (MAX_HEADERS - own + 1)))
    check_problem(answer, 431, "head-too-large")


def test_a_head_that_never_ends_is_not_kept(process: Process) -> None:
    """The service stops reading what it refused, and holds none of it."""
    before = memory_bytes(process)
    with connected(process.port) as connection:
        connection.sendall(HEAD)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x: y\r\n" * (2**20 // 6))
        with contextlib.suppress(ConnectionError):
            check_problem(one_answer(connection), 431, "head-too-large")
    assert memory_bytes(process) < before + 20 * 2**20


def memory_bytes(process: Process) -> float:
    found = re.search(rb"\nmirage_memory_bytes (\S+)", process.get("/metrics")[1])
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("trailer", [b"x: y\r\n" * 20_000, b"x: " + b"y" * 90_000])
def test_trailers_are_bounded_as_heads_are(process: Process, trailer: bytes) -> None:
    start = chunked(7).removesuffix(b"\r\n")
    (answer,) = exchange(process.port, start + trailer)
    check_problem(answer, 431, "head-too-large")


def test_trailers_are_no_headers(process: Process) -> None:
    request = chunked(7).removesuffix(b"\r\n") + b"x-request-id: late\r\n\r\n"
    (answer,) = exchange(process.port, request)
    assert (answer.status, answer.headers["x-seed"]) == (200, "7")
    assert answer.headers["x-request-id"] != "late"


def test_an_endless_chunk_extension_ends(process: Process) -> None:
    (answer,) = exchange(
        process.port, HEAD + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * 90_000
    )
    check_problem(answer, 431, "head-too-large")


# Time


def test_a_connection_on_which_nothing_comes_is_closed(hasty: Process) -> None:
    with connected(hasty.port) as connection:
        assert connection.recv(1) == b""
    with connected(hasty.port) as connection:
        connection.sendall(seeded(7))
        assert [answer.status for answer in answers(connection)] == [200]


@pytest.mark.parametrize("part", [HEAD, HEAD + b"x", b"P", HEAD + b"content-length: 9\r\n\r\n{"])
def test_half_a_request_is_408(hasty: Process, part: bytes) -> None:
    with connected(hasty.port) as connection:
        connection.sendall(part)
        (answer,) = answers(connection)
        check_problem(answer, 408, "request-timeout")


def test_a_head_that_comes_byte_by_byte_has_no_more_time(hasty: Process) -> None:
    began = time.monotonic()
    with connected(hasty.port) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(0.02)
        received = b""
        for byte in HEAD + b"x" * 10_000:
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                received += connection.recv(1000)
                if b"\r\n\r\n" in received:
                    break
        assert received.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() < began + 30


def test_half_a_request_behind_another_is_408_in_its_turn(hasty: Process) -> None:
    with connected(hasty.port) as connection:
        connection.sendall(seeded(7) + HEAD)
        first, second = answers(connection)
    assert (first.status, first.headers["x-seed"]) == (200, "7")
    check_problem(second, 408, "request-timeout")


def test_a_client_that_does_not_read_is_let_go(hasty: Process) -> None:
    """And its answer, of many megabytes, with it."""
    body = b'{"count": 256}'
    lines = b"accept: application/x-npy\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty.port))
        connection.settimeout(60)
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                connection.sendall(HEAD + lines + body)
        until_connections(hasty, 0)


def until_connections(process: Process, count: int) -> None:
    """Until the process has so many connections beside the one that listens."""
    began = time.monotonic()
    while len(established(process.port)) > count:
        assert time.monotonic() < began + 60


def established(port: int) -> list[str]:
    """The connections to a port that its server still holds, of proc(5)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [row[1] for row in rows if row[1].endswith(f":{port:04X}") and row[3] in ("01", "08")]
