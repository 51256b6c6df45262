"""Bytes on a connection: requests as a client writes them, and the answers that come back."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.service.helpers.server_process import Process

JSON = "application/json"
WAIT_S = 60.0
HEAD = b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
END_CHUNK = b"0\r\n\r\n"
REQUEST_ID = re.compile("[0-9a-f]{16}")


class Answer(NamedTuple):
    """An answer as it came: status, headers by lower-case name, and body."""

    status: int
    headers: dict[str, str]
    body: bytes


def seeded(seed: int, *lines: str, method: str = "POST", path: str = "/generate") -> bytes:
    """A request for the image of a seed, with more lines in its head."""
    body = b'{"seed": %d}' % seed
    head = [f"{method} {path} HTTP/1.1", "host: x", f"content-type: {JSON}", *lines]
    return "\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body


def chunked(seed: int, *lines: str) -> bytes:
    """The same, with a body in chunks."""
    body = b'{"seed": %d}' % seed
    head = ["POST /generate HTTP/1.1", "host: x", f"content-type: {JSON}", *lines]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    return "\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode() + chunks + END_CHUNK


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to the service."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def exchange(port: int, *packets: bytes) -> list[Answer]:
    """All answers until the connection ends, to a client that sends this and closes its side."""
    with connected(port) as connection:
        for packet in packets:
            connection.sendall(packet)
        connection.shutdown(socket.SHUT_WR)
        return list(answers(connection))


def answers(connection: socket.socket) -> Iterator[Answer]:
    """The answers that come on a connection, until it ends."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            more = connection.recv(2**16)
            if not more:
                assert received == b"", received
                return
            received += more
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\w\- ]*", first)
        assert found, first
        length = int(headers.get("content-length", "0"))
        while len(received) < length:
            more = connection.recv(2**16)
            assert more, "the connection ended amid an answer"
            received += more
        yield Answer(int(found[1]), headers, received[:length])
        received = received[length:]


def one_answer(connection: socket.socket) -> Answer:
    """The next answer, of a client that has asked for one."""
    return next(answers(connection))


def seeds(found: list[Answer]) -> list[str | None]:
    """The seeds of the images in answers."""
    return [answer.headers.get("x-seed") for answer in found]


def check_problem(answer: Answer, status: int, slug: str) -> None:
    """The answer is a problem with an id, and the connection is closed behind it."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    assert json.loads(answer.body)["type"] == f"urn:mirage:{slug}"


def until(process: Process, text: bytes) -> None:
    """Until the metrics tell this."""
    began = time.monotonic()
    while text not in process.get("/metrics")[1]:
        assert time.monotonic() < began + WAIT_S
