"""Clients that leave, at every moment, and what becomes of the others."""

import json
import socket
import struct
from pathlib import Path

from tests.service.helpers.hanging_service import HANG
from tests.service.helpers.raw_http import (
    answers,
    connected,
    exchange,
    one_answer,
    seeded,
    seeds,
    until,
)
from tests.service.helpers.server_process import serving

HANGING = json.dumps({"latents": [[HANG, 0, 0, 0, 0]], "labels": 3}).encode()
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


def test_a_client_that_leaves_amid_its_body_is_counted(models_root: Path) -> None:
    with serving(models_root) as process:
        with connected(process.port) as connection:
            connection.sendall(seeded(7)[:-2])
            until(process, b"mirage_requests_in_flight 1.0")
        until(process, b"mirage_abandoned_total 1.0")
        until(process, b"mirage_requests_in_flight 0.0")
        assert b'mirage_requests_total{code="499"} 1.0' in process.get("/metrics")[1]
        process.stop()
    (line,) = [line for line in process.log.splitlines() if b"path=/generate" in line]
    assert b"client_gone=True" in line


def test_a_client_that_leaves_while_it_waits_is_dropped_and_a_half_closed_one_is_not(
    models_root: Path,
) -> None:
    with (
        serving(models_root, program="tests.service.helpers.hanging_service") as process,
        connected(process.port) as running,
        connected(process.port) as half_closed,
        connected(process.port) as leaving,
    ):
        head, _ = seeded(1).split(b"\r\ncontent-length")
        running.sendall(head + b"\r\ncontent-length: %d\r\n\r\n" % len(HANGING) + HANGING)
        until(process, b"mirage_requests_in_flight 1.0")
        half_closed.sendall(seeded(8))
        half_closed.shutdown(socket.SHUT_WR)
        leaving.sendall(seeded(9))
        until(process, b"mirage_requests_in_flight 3.0")
        leaving.close()
        until(process, b"mirage_requests_in_flight 2.0")
        assert b"mirage_abandoned_total 1.0" in process.get("/metrics")[1]


def test_clients_that_leave_disturb_nobody(models_root: Path) -> None:
    """Neither on their own connections nor on others; each way to leave, amid each part."""
    with serving(models_root) as process:
        with connected(process.port) as kept:
            found = answers(kept)
            for seed in range(60):
                request = seeded(seed)
                with connected(process.port) as leaving:
                    leaving.sendall(request[: len(request) * (1 + seed % 6) // 6])
                    kept.sendall(request)
                    if seed % 2:
                        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                assert next(found).headers["x-seed"] == str(seed)
        assert seeds(exchange(process.port, seeded(7))) == ["7"]
        until(process, b"mirage_requests_in_flight 0.0")
        process.stop()
    assert b"Traceback" not in process.log
    assert b"ERROR" not in process.log


def test_a_client_that_leaves_amid_a_large_answer_is_let_go(models_root: Path) -> None:
    body = b'{"count": 256}'
    head, _ = seeded(1, "accept: application/x-npy").split(b"\r\ncontent-length")
    with serving(models_root) as process:
        with connected(process.port) as leaving:
            leaving.sendall(head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            assert leaving.recv(20).startswith(b"HTTP/1.1 200 OK")
        with connected(process.port) as connection:
            connection.sendall(seeded(7))
            assert one_answer(connection).status == 200
        until(process, b"mirage_requests_in_flight 0.0")
