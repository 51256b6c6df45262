"""POST /generate past the application: over a real connection it answers as the route does."""

import asyncio
import json
import logging
import re
import socket
from collections.abc import Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from mirage.service.express import Express
from mirage.service.heads import Head
from mirage.service.keys_file import add_key
from mirage.service.protocol import Protocol
from mirage.service.settings import Settings
from mirage.service.state import Service
from tests.service.exchange import JSON, NPY, OCTETS, npy
from tests.service.process import Process, serving
from tests.service.test_stopping import begin, finish, until

VOLATILE = {"date", "server-timing", "x-request-id"}

REQUESTS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "a seed": ("", {"content-type": JSON}, b'{"seed": 7, "labels": 3}'),
    "no body": ("", {}, b""),
    "several as a zip": ("", {"content-type": JSON}, b'{"seed": 7, "count": 5}'),
    "parts": ("", {"content-type": JSON, "accept": "multipart/mixed"}, b'{"seed": 1, "count": 2}'),
    "json": ("", {"content-type": JSON, "accept": "application/json"}, b'{"seed": 1}'),
    "a version by number": ("", {"content-type": JSON}, b'{"seed": 7, "version": 2}'),
    "octets and a query": ("?labels=3", {"content-type": OCTETS}, bytes(20)),
    "an array": ("?labels=0&", {"content-type": NPY}, npy(np.zeros((1, 5), np.float32))),
    "an unknown field": ("", {"content-type": JSON}, b'{"sede": 7}'),
    "no json": ("", {"content-type": JSON}, b"{"),
    "a body of no type": ("", {}, b"{}"),
    "another type": ("", {"content-type": "text/plain"}, b"{}"),
    "too large": ("", {"content-type": JSON}, b" " * (9 * 2**20)),
    "nothing acceptable": ("", {"content-type": JSON, "accept": "text/html"}, b"{}"),
    "no such model": ("", {"content-type": JSON}, b'{"model": "none"}'),
    "a deadline that is none": ("", {"x-deadline-ms": "soon"}, b""),
    "a query beside json": ("?seed=7", {"content-type": JSON}, b"{}"),
}


@pytest.fixture(scope="module")
def process(models_root: Path) -> Iterator[Process]:
    with serving(models_root) as process:
        yield process


def ask(
    process: Process, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    with closing(process.connect()) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        sent = {name.lower(): value for name, value in response.getheaders()}
        return response.status, sent, response.read()


@pytest.mark.parametrize("name", REQUESTS)
def test_it_answers_as_the_route_does(process: Process, client: TestClient, name: str) -> None:
    query, headers, body = REQUESTS[name]
    status, sent, content = ask(process, f"/generate{query}", headers, body)
    # httpx would add an Accept header of its own, and the connection does not.
    routed = client.post(f"/generate{query}", content=body, headers={"accept": ""} | headers)
    assert status == routed.status_code
    if "seed" in body.decode("latin-1") or status >= 400:
        assert content == routed.content
    same = {k: v for k, v in sent.items() if k not in VOLATILE | {"x-seed", "content-length"}}
    expected = {k: v for k, v in routed.headers.items() if k not in VOLATILE | {"x-seed"}}
    assert same == {k: v for k, v in expected.items() if k != "content-length"}
    assert int(sent["content-length"]) == len(content)
    assert ("x-seed" in sent) == ("x-seed" in routed.headers)


def test_an_id_that_the_client_gives_comes_back(process: Process) -> None:
    assert ask(process, "/generate", {"x-request-id": "mine"}, b"")[1]["x-request-id"] == "mine"
    made = ask(process, "/generate", {"x-request-id": "not allowed"}, b"")[1]["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", made)


def test_requests_sent_ahead_are_answered_in_order(process: Process) -> None:
    bodies = [json.dumps({"seed": seed}).encode() for seed in range(20)]
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        for body in bodies:
            head = f"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\n"
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while received.count(b"IEND") < len(bodies):
            received += connection.recv(2**16)
    seeds = [int(seed) for seed in re.findall(rb"x-seed: (\d+)", received)]
    assert seeds == list(range(20))


def test_a_head_that_was_read_before_takes_any_body_in_any_pieces(process: Process) -> None:
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        requests = [seeded(seed) for seed in range(10, 14)]
        for request in requests:
            connection.sendall(request)
            assert b"x-seed: %d\r\n" % seed_of(request) in answer_of(connection)
        for stop in range(1, len(requests[0])):
            connection.sendall(requests[0][:stop])
            connection.sendall(requests[0][stop:])
            assert b"x-seed: 10\r\n" in answer_of(connection)
        connection.sendall(b"".join(requests) + requests[0][:50])
        for request in requests:
            assert b"x-seed: %d\r\n" % seed_of(request) in answer_of(connection)
        connection.sendall(requests[0][50:] + b"\r\n")
        assert b"x-seed: 10\r\n" in answer_of(connection)
        connection.sendall(seeded(123456) + b"\r\n\r\n")
        assert b"x-seed: 123456\r\n" in answer_of(connection)
        connection.sendall(requests[1])
        assert b"x-seed: 11\r\n" in answer_of(connection)


def test_what_goes_before_a_known_head_is_not_forgotten(process: Process) -> None:
    """A body that is still missing may be the bytes of a request."""
    request = seeded(10)
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert b"x-seed: 10\r\n" in answer_of(connection)
        head = f"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\n"
        connection.sendall(f"{head}content-length: {len(request)}\r\n\r\n".encode())
        connection.sendall(request)
        assert answer_of(connection).startswith(b"HTTP/1.1 400 ")
        connection.sendall(b"nonsense\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1) == b""


def seeded(seed: int) -> bytes:
    body = json.dumps({"seed": seed}).encode()
    head = f"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def seed_of(request: bytes) -> int:
    return int(re.findall(rb"\d+", request)[-1])


def answer_of(connection: socket.socket) -> bytes:
    """The next answer; those behind it are left in the connection."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    found = re.search(rb"content-length: (\d+)", answer)
    missing = int(found[1]) if found else 0
    while missing:
        part = connection.recv(missing)
        answer, missing = answer + part, missing - len(part)
    return answer


def test_a_chunked_body_and_one_that_waits_to_be_asked_for(process: Process) -> None:
    with closing(process.connect()) as connection:
        connection.request("POST", "/generate", iter([b'{"se', b'ed": 7}']), {"content-type": JSON})
        response = connection.getresponse()
        assert (response.status, response.getheader("x-seed")) == (200, "7")
        response.read()
        connection.putrequest("POST", "/generate")
        for name, value in (("content-type", JSON), ("content-length", "11")):
            connection.putheader(name, value)
        connection.putheader("expect", "100-continue")
        connection.endheaders()
        assert connection.sock is not None
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b'{"seed": 8}')
        assert connection.getresponse().getheader("x-seed") == "8"


def test_a_refusal_reaches_a_client_that_is_still_sending(process: Process) -> None:
    """And it is not reset before it has read that."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        head = "POST /generate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/plain"
        connection.sendall(f"{head}\r\ncontent-length: 1000000\r\n\r\n".encode())
        for _ in range(10):
            connection.sendall(bytes(50_000))
        with connection.makefile("rb") as answer:
            assert answer.read().startswith(b"HTTP/1.1 415 ")


def test_a_client_that_asks_to_close_is_let_go(process: Process) -> None:
    assert ask(process, "/generate", {"connection": "close"}, b"")[1]["connection"] == "close"


def test_who_leaves_is_counted_and_logged(models_root: Path) -> None:
    with serving(models_root) as process:
        begin(process).close()
        until(process, lambda text: b"mirage_abandoned_total 1.0" in text)
        until(process, lambda text: b"mirage_requests_in_flight 0.0" in text)
        assert b'mirage_requests_total{code="499"} 1.0' in process.get("/metrics")[1]
        with closing(begin(process)) as connection, finish(connection) as response:
            assert response.status == 200
        process.stop()
    lines = [line for line in process.log.splitlines() if b"path=/generate" in line]
    assert [b"client_gone=True" in line for line in lines] == [True, False]


def test_keys_are_asked_for(models_root: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("")
    with serving(models_root, "--keys-file", str(keys)) as process:
        status, headers, body = ask(process, "/generate", {"content-type": JSON}, b"{}")
        assert (status, json.loads(body)["type"]) == (401, "urn:mirage:missing-key")
        assert "www-authenticate" in headers


def test_a_key_that_is_withdrawn_is_refused_though_its_head_is_known(
    models_root: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    text = add_key(keys, "reader")
    headers = {"authorization": f"Bearer {text}", "content-type": JSON}
    with (
        serving(models_root, "--keys-file", str(keys)) as process,
        closing(process.connect()) as connection,
    ):

        def status() -> int:
            connection.request("POST", "/generate", b"{}", headers)
            with connection.getresponse() as response:
                response.read()
                return response.status

        assert [status() for _ in range(3)] == [200, 200, 200]
        keys.write_text("")
        while (found := status()) == 200:
            pass
        assert found == 403


def test_a_page_of_another_origin_is_the_applications(models_root: Path) -> None:
    with serving(models_root, "--cors-origins", "https://a.example") as process:
        headers = ask(process, "/generate", {"origin": "https://a.example"}, b"")[1]
        assert headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-origin" not in ask(process, "/generate", {}, b"")[1]


def test_a_known_head_needs_no_parser(settings: Settings) -> None:
    """And a service that takes nothing more leaves it to the application."""
    sent: list[bytes] = []

    async def run() -> None:
        service = Service(settings)
        await service.open()
        express = Express(service)
        app = Config(_refuse, lifespan="off", log_config=None)
        protocol = Protocol(app, ServerState(), {}, express=express)
        protocol.connection_made(transport_to(sent))
        parser = protocol.parser
        for seed in (7, 8):
            protocol.data_received(seeded(seed))
            await asyncio.gather(*protocol.tasks)
            protocol.parser = None
        service.refusing, protocol.parser = True, parser
        protocol.data_received(seeded(9))
        await asyncio.gather(*protocol.tasks)
        assert not protocol.tasks
        protocol.connection_lost(None)
        await service.close()

    asyncio.run(run())
    assert [b"x-seed: 7" in sent[0], b"x-seed: 8" in sent[1]] == [True, True]
    assert sent[2].startswith(b"HTTP/1.1 503 ")


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


def test_an_unknown_fault_is_a_fixed_text_in_the_answer_and_told_in_the_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret in a path")

    monkeypatch.setattr("mirage.service.generation.make_work", fail)
    scope = {"path": "/generate", "method": "POST", "headers": [], "query_string": b""}
    sent: list[bytes] = []

    async def run() -> None:
        service = Service(settings)
        await service.open()
        started: list[Coroutine[Any, Any, None]] = []
        Express(service).enter(whole(scope, sent), Head.of(scope), started.append)
        await started[0]
        await service.close()

    asyncio.run(run())
    head, _, body = b"".join(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body)["type"] == "urn:mirage:internal-error"
    assert b"secret" not in body
    assert "a secret in a path" in caplog.text


def whole(scope: Any, sent: list[bytes]) -> RequestResponseCycle:
    """A request whose empty body has arrived, on a transport that writes to a list."""
    transport = transport_to(sent)
    log = logging.getLogger("uvicorn.error")
    cycle = RequestResponseCycle(
        scope=scope,
        transport=transport,
        flow=FlowControl(transport),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    cycle.more_body = False
    return cycle


def transport_to(sent: list[bytes]) -> asyncio.Transport:
    """A transport that writes to a list."""

    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            sent.append(data)

        def is_closing(self) -> bool:
            return False

        def close(self) -> None:
            pass

    return Transport()
