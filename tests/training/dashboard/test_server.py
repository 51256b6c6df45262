import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from importlib.resources import files
from pathlib import Path

import pytest

from mirage.training.dashboard import server as server_module
from mirage.training.dashboard.run_view import RunView
from mirage.training.dashboard.server import DashboardServer
from mirage.training.errors import UsageError
from tests.training.dashboard.conftest import Serve
from tests.training.helpers.runs import write_run


@pytest.fixture
def server(tmp_path: Path, serve: Serve) -> DashboardServer:
    return serve(write_run(tmp_path / "run", reports=3).path)


def ask(
    server: DashboardServer,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def status(server: DashboardServer, path: str, **options: str) -> int:
    return ask(server, path, **options)[0].status


def test_listens_on_the_loopback_interface_only(server: DashboardServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_serves_the_page_and_what_it_loads(server: DashboardServer) -> None:
    response, body = ask(server, "/")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    page = body.decode()
    names = [file.name for file in files("mirage.training.dashboard").joinpath("static").iterdir()]
    loaded = [name for name in names if f"static/{name}" in page]
    assert sorted({*loaded, "index.html"}) == sorted(names)
    for name in loaded:
        assert status(server, f"/static/{name}") == 200


def test_refers_to_no_other_host() -> None:
    for file in files("mirage.training.dashboard").joinpath("static").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, file.name


def test_serves_state_and_curves(server: DashboardServer) -> None:
    response, body = ask(server, "/state.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(body)["progress"]["nimg"] == 3000
    curves = json.loads(ask(server, "/curves.json")[1])
    assert curves[0]["curves"][0]["x"] == [1, 2, 3]


def test_serves_the_grids_of_the_state(server: DashboardServer) -> None:
    grids = json.loads(ask(server, "/state.json")[1])["grids"]
    response, body = ask(server, f"/{grids[0]['url']}")
    assert response.status == 200
    assert response.headers["Content-Type"] == "image/png"
    assert body.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        *("/grids/../config.json", "/grids/..%2fconfig.json", "/grids/%2e%2e/config.json"),
        *("/static/../run_view.py", "/config.json", "//etc/passwd", "/../../etc/passwd"),
        *("/grids/", "/static/", "/grids/000009000.png", "/state.json/", "/http://[/"),
        "/grids/" + "9" * 3000 + ".png",
    ],
)
def test_other_paths_do_not_exist(server: DashboardServer, path: str) -> None:
    assert status(server, path) == 404


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:80"])
def test_answers_requests_to_this_machine(server: DashboardServer, host: str) -> None:
    """Over an SSH tunnel the port is another."""
    assert status_for_host(server, host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8010", "localhost.evil.example", "[::1]", ""]
)
def test_other_hosts_get_nothing(server: DashboardServer, host: str) -> None:
    """A site can let its own name resolve to 127.0.0.1 and then read what is served there."""
    response, body = ask(server, "/state.json", headers={"Host": host})
    assert response.status == 421
    assert b"allowed are 127.0.0.1 and localhost" in body
    assert b"nimg" not in body


def status_for_host(server: DashboardServer, host: str) -> int:
    return ask(server, "/state.json", headers={"Host": host})[0].status


@pytest.mark.parametrize("head", ["", "Host: localhost\r\nHost: evil.example\r\n"])
def test_a_request_has_exactly_one_host(server: DashboardServer, head: str) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as client:
        client.sendall(f"GET /state.json HTTP/1.0\r\n{head}\r\n".encode())
        with client.makefile("rb") as answer:
            assert b" 421 " in answer.readline()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_reads(server: DashboardServer, method: str) -> None:
    response, _ = ask(server, "/state.json", method=method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_answers_head_without_a_body(server: DashboardServer) -> None:
    response, body = ask(server, "/static/main.js", method="HEAD")
    assert response.status == 200
    assert int(response.headers["Content-Length"]) > 0
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/state.json", "/none"])
def test_other_sites_may_not_embed_or_read(server: DashboardServer, path: str) -> None:
    headers = ask(server, path)[0].headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


def test_bounds_the_connections(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 1)
    server = serve(tmp_path)
    address = "127.0.0.1", server.server_port
    with socket.create_connection(address, timeout=60) as first:
        first.sendall(b"GET ")
        with socket.create_connection(address, timeout=60) as second:
            assert second.recv(1) == b""  # closed
        first.sendall(b"/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with first.makefile("rb") as answer:
            assert b" 200 " in answer.readline()


def test_a_port_that_is_taken_is_named(server: DashboardServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--port is {server.server_port}, which another program"):
        DashboardServer(RunView(tmp_path), server.server_port)
