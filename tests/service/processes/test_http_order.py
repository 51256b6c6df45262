"""Which answers come to what is sent on a connection, and in which order."""

import contextlib
import json
import socket
from pathlib import Path

import pytest

from tests.service.helpers.raw_http import (
    HEAD,
    answers,
    check_problem,
    chunked,
    connected,
    exchange,
    one_answer,
    seeded,
    seeds,
)
from tests.service.helpers.server_process import Process, serving

# Order


def test_pipelined_requests_are_answered_in_order(process: Process) -> None:
    found = exchange(process.port, b"".join(map(seeded, range(200))))
    assert seeds(found) == [str(seed) for seed in range(200)]


def test_a_megabyte_of_pipelined_requests_is_answered(process: Process) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with connected(process.port) as connection:
        connection.sendall(request * 1000)
        found = answers(connection)
        assert [next(found).status for _ in range(1000)] == [200] * 1000


def test_a_request_and_garbage_behind_it_are_both_answered(process: Process) -> None:
    first, second = exchange(process.port, seeded(7) + b"garbage\r\n\r\n")
    assert (first.status, first.headers["x-seed"]) == (200, "7")
    check_problem(second, 400, "malformed-request")


def test_several_requests_and_garbage_behind_them(process: Process) -> None:
    *good, last = exchange(process.port, b"".join(map(seeded, range(5))) + b"\0" + seeded(9))
    assert seeds(good) == ["0", "1", "2", "3", "4"]
    check_problem(last, 400, "malformed-request")


def test_a_body_that_breaks_is_refused_in_place_of_its_request(process: Process) -> None:
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    for packets in ([head + b"zz\r\n"], [head, b"zz\r\n"], [head + b"1\r\n{\r\n", b"zz\r\n"]):
        (answer,) = exchange(process.port, *packets)
        check_problem(answer, 400, "malformed-request")
        first, second = exchange(process.port, seeded(7) + packets[0], *packets[1:])
        assert first.status == 200
        check_problem(second, 400, "malformed-request")


# Half-closed clients, and those who leave


def test_a_half_closed_client_gets_its_answers(process: Process) -> None:
    assert seeds(exchange(process.port, seeded(7))) == ["7"]
    assert seeds(exchange(process.port, seeded(7) + chunked(8))) == ["7", "8"]
    assert seeds(exchange(process.port, seeded(7), seeded(8) + HEAD)) == ["7", "8"]


def test_a_client_that_closes_its_side_as_it_is_answered_gets_the_answer(process: Process) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    for _ in range(50):
        assert [answer.status for answer in exchange(process.port, request)] == [200]


def test_a_half_closed_client_gets_what_is_streamed(process: Process) -> None:
    body = b'{"points": [{"seed": 1}, {"seed": 2}], "steps": 200}'
    head = b"POST /interpolate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with connected(process.port) as connection:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n0\r\n\r\n")


# Offers to upgrade


@pytest.mark.parametrize("offer", ["h2c", "TLS/1.0", "websocket", "h2c, websocket", "x/1"])
@pytest.mark.parametrize("request_of", [seeded, chunked])
def test_an_offer_that_is_not_taken_is_ignored(
    process: Process, offer: str, request_of: type[bytes]
) -> None:
    lines = ("connection: Upgrade, HTTP2-Settings", f"upgrade: {offer}", "http2-settings: AAMA")
    request = request_of(7, *lines)  # type: ignore[call-overload]
    assert seeds(exchange(process.port, request)) == ["7"]
    assert seeds(exchange(process.port, request + seeded(8))) == ["7", "8"]
    middle = request.index(b"\r\n\r\n") + 4
    assert seeds(exchange(process.port, request[:middle], request[middle:])) == ["7"]
    assert seeds(exchange(process.port, request[:30], request[30:])) == ["7"]


def test_an_offer_of_http_1_0_is_ignored_and_the_connection_ends(process: Process) -> None:
    request = seeded(7, "connection: upgrade", "upgrade: h2c").replace(b"HTTP/1.1", b"HTTP/1.0")
    (answer,) = exchange(process.port, request)
    assert (answer.headers["x-seed"], answer.headers["connection"]) == ("7", "close")


def test_a_tunnel_is_refused(process: Process) -> None:
    (answer,) = exchange(process.port, b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\nbytes")
    check_problem(answer, 400, "malformed-request")


# Bodies that are not read


def test_a_refusal_before_the_body_is_sent_closes_the_connection(process: Process) -> None:
    """So that the body cannot be taken for the next request."""
    head = HEAD.replace(b"json", b"x-unknown") + b"content-length: 500\r\n"
    with connected(process.port) as connection:
        connection.sendall(head + b"expect: 100-continue\r\n\r\n")
        found = answers(connection)
        answer = next(found)
        assert (answer.status, answer.headers["connection"]) == (415, "close")
        connection.sendall(seeded(7))
        assert list(found) == []


def test_a_body_that_is_asked_for_is_read(process: Process) -> None:
    body = b'{"seed": 7}'
    with connected(process.port) as connection:
        connection.sendall(HEAD + b"content-length: 11\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body + seeded(8))
        found = answers(connection)
        assert [next(found).headers["x-seed"] for _ in "12"] == ["7", "8"]


def test_a_refusal_that_comes_with_the_whole_body_keeps_the_connection(process: Process) -> None:
    wrong = seeded(7).replace(b"/json", b"/x-unknown")
    first, second = exchange(process.port, wrong + seeded(8))
    assert (first.status, first.headers.get("connection")) == (415, None)
    assert second.headers["x-seed"] == "8"


def test_a_refusal_reaches_a_client_that_is_still_sending(process: Process) -> None:
    with connected(process.port) as connection:
        connection.sendall(HEAD.replace(b"json", b"x-unknown") + b"content-length: 1000000\r\n\r\n")
        for _ in range(10):
            connection.sendall(bytes(50_000))
        assert one_answer(connection).status == 415


@pytest.mark.parametrize("form", ["announced", "chunked"])
def test_a_body_over_the_limit_is_413_while_it_arrives(process: Process, form: str) -> None:
    size = 9 * 2**20
    with connected(process.port) as connection:
        if form == "announced":
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % size)
        else:
            connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % size)
        with contextlib.suppress(ConnectionError):
            for _ in range(size // 2**18):
                connection.sendall(b" " * 2**18)
        answer = one_answer(connection)
        assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_target_that_is_no_path_does_not_cost_the_answer_before_it(process: Process) -> None:
    bad = b"GET http://x:99999/ HTTP/1.1\r\nhost: x\r\n\r\n"
    for packets in ([seeded(7) + seeded(8) + bad], [seeded(7), seeded(8), bad]):
        *good, last = exchange(process.port, *packets)
        assert seeds(good) == ["7", "8"]
        check_problem(last, 400, "malformed-request")


# Requests that two parsers could read in two ways


def test_a_request_without_a_host_is_refused_unless_it_is_http_1_0(process: Process) -> None:
    (answer,) = exchange(process.port, seeded(7).replace(b"host: x\r\n", b""))
    check_problem(answer, 400, "malformed-request")
    assert json.loads(answer.body)["detail"] == (
        "the request has 0 Host headers; exactly one is allowed"
    )
    old = seeded(7).replace(b"host: x\r\n", b"").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert seeds(exchange(process.port, old)) == ["7"]


@pytest.mark.parametrize("host", ["", " ", "a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", '"a"'])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_host_that_is_none_is_refused(process: Process, host: str, version: bytes) -> None:
    request = seeded(7).replace(b"host: x", b"host: " + host.encode())
    (answer,) = exchange(process.port, request.replace(b"1.1", version, 1))
    check_problem(answer, 400, "malformed-request")
    assert repr(host.strip()) in json.loads(answer.body)["detail"]


@pytest.mark.parametrize(
    "host", ["a", "a.b:80", "1.2.3.4", "[::1]", "[::1]:80", "a_b-c:", "%C3%A9"]
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(process: Process, host: str) -> None:
    request = seeded(7).replace(b"host: x", b"host: " + host.encode())
    assert seeds(exchange(process.port, request, seeded(8))) == ["7", "8"]


def test_chunks_are_not_for_http_1_0(process: Process) -> None:
    (answer,) = exchange(process.port, chunked(7).replace(b"1.1", b"1.0", 1))
    check_problem(answer, 400, "malformed-request")


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 2\r\ncontent-length: 2\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n",
        b"content-length: 2, 2\r\n",
        b"content-length: +2\r\n",
        b"content-length: -2\r\n",
        b"content-length: 0x2\r\n",
        b"content-length: \r\n",
        b"content-length: 99999999999999999999\r\n",
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        b"transfer-encoding: gzip\r\n",
        b"transfer-encoding: chunked, gzip\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding : chunked\r\n",
        b"x: a\rb\r\n",
        b"x: a\nb: c\r\n",
        b"x: a\r\n b\r\n",
        b"x: a\0b\r\n",
        b"host: x\r\n",
        b"x y: a\r\n",
        b": a\r\n",
        b"x\r\n",
    ],
)
def test_an_ambiguous_request_is_refused(process: Process, lines: bytes) -> None:
    (answer,) = exchange(process.port, HEAD + lines + b"\r\n{}" + seeded(7))
    check_problem(answer, 400, "malformed-request")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the start of TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET http://x?y HTTP/1.1\r\nhost: x\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_problem(process: Process, data: bytes) -> None:
    (answer,) = exchange(process.port, data)
    check_problem(answer, 400, "malformed-request")
    assert "allback" not in json.loads(answer.body)["detail"], "a word of the parser"


def test_broken_requests_are_counted_and_logged_with_their_id(models_root: Path) -> None:
    with serving(models_root) as process:
        (answer,) = exchange(process.port, b"garbage\r\n\r\n")
        counted = process.get("/metrics")[1]
        process.stop()
    assert b'mirage_rejected_total{reason="malformed-request"} 1.0' in counted
    assert b'mirage_requests_total{code="400"} 1.0' in counted
    assert b"mirage_request_duration_seconds_count 0.0" in counted
    request_id = answer.headers["x-request-id"].encode()
    (line,) = [line for line in process.log.splitlines() if request_id in line]
    assert b"status=400" in line
    assert b"Traceback" not in process.log
