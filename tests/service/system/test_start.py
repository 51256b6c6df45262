"""The real process: it starts, serves over a socket, drains and stops."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mirage.bundle.store.release import release
from mirage.service.api.security.auth import add_key
from mirage.service.processes.launch import HostError, PortError, _listen
from tests.bundles import make_bundle
from tests.service.helpers.server_process import READY, ROOT, Process, answer, serving


def test_it_answers_over_a_socket_and_stops_with_0(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "0") as process:
        status, body = answer(process.connect(), "POST", "/generate", b'{"seed": 7}')
        assert (status, body[:4]) == (200, b"\x89PNG")
        assert process.get("/readyz")[0] == 200
        assert process.stop() == 0
        assert b"Traceback" not in process.log


def test_sigterm_while_models_are_loaded_ends_it_with_0(tmp_path: Path) -> None:
    """It leaves between two of many models, long before it would be ready."""
    for number in range(100):
        make_bundle(tmp_path, f"toy{number}")
        release(tmp_path, f"toy{number}", 1)
    loaded = re.compile(rb"model loaded name=toy(\d+)")
    process = Process("--models", str(tmp_path), "--threads", "1", until=loaded)
    assert process.stop() == 0
    assert not READY.search(process.log)
    assert b"Traceback" not in process.log


def test_a_key_that_is_removed_stops_working_while_it_serves(
    models_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    kept, removed = add_key(path, "kept"), add_key(path, "removed")
    with serving(models_root, "--keys-file", str(path), "--drain-delay-s", "0") as process:
        assert _status(process, kept) == _status(process, removed) == 200
        path.write_text(path.read_text().splitlines()[0])
        changed = time.monotonic()
        while _status(process, removed) == 200:
            assert time.monotonic() < changed + 60, "the key still works"
        assert (_status(process, kept), _status(process, removed)) == (200, 403)
        assert process.stop() == 0
        assert kept.encode() not in process.log


def test_a_file_of_keys_that_is_not_there_is_told_in_one_line(
    models_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "absent"
    result = run("--models", str(models_root), "--keys-file", str(path), "--port", "0")
    assert_one_line(result, 3, "keys_file is", "No such file")


def test_the_log_is_json_when_told(models_root: Path) -> None:
    ready = re.compile(rb'"message":"ready host=\S+ port=(\d+)"')
    flags = ("--models", str(models_root), "--default-model", "toy", "--log-format", "json")
    process = Process(*flags, "--drain-delay-s", "0", until=ready)
    assert process.get("/models")[0] == 200
    assert process.stop() == 0
    lines = [json.loads(line) for line in process.log.splitlines()]
    (line,) = [line for line in lines if line["message"] == "request"]
    assert (line["path"], line["status"]) == ("/models", 200)


def test_a_client_that_leaves_disturbs_nobody(models_root: Path) -> None:
    """Half of the clients hang up at once; all others are answered rightly."""
    with serving(models_root, "--max-batch-size", "2", "--drain-delay-s", "0") as process:
        expected = answer(process.connect(), "POST", "/generate", b'{"seed": 7, "count": 8}')
        assert expected[0] == 200
        answers = []

        def ask(leaves: bool) -> None:
            connection = process.connect()
            if not leaves:
                body = b'{"seed": 7, "count": 8}'
                answers.append(answer(connection, "POST", "/generate", body))
                return
            body = json.dumps({"seed": 1, "count": 64})
            connection.request("POST", "/generate", body, {"content-type": "application/json"})
            connection.close()

        threads = [threading.Thread(target=ask, args=(n % 2 == 0,)) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [expected] * 12
        assert b"mirage_queued_images" in process.get("/metrics")[1]
        assert process.stop() == 0
        assert b"Traceback" not in process.log


def test_a_body_without_end_is_cut_off(models_root: Path) -> None:
    with serving(models_root, "--body-bytes", "1024", "--drain-delay-s", "0") as process:
        with socket.create_connection(("127.0.0.1", process.port), timeout=60) as client:
            client.sendall(
                b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            for _ in range(3):
                client.sendall(b"200\r\n" + b" " * 512 + b"\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
        assert process.stop() == 0


def test_a_body_that_never_comes_meets_the_deadline(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "0") as process:
        with socket.create_connection(("127.0.0.1", process.port), timeout=60) as client:
            client.sendall(
                b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: 9\r\nx-deadline-ms: 20\r\n\r\n"
            )
            assert client.recv(4096).startswith(b"HTTP/1.1 504")
        assert process.stop() == 0


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert result.returncode == code, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in line


def test_a_port_that_is_taken_is_told_in_one_line(models_root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("--models", str(models_root), "--port", port)
    assert_one_line(result, 1, f"port is {port}", "in use")


def test_a_folder_of_models_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    result = run("--models", str(tmp_path / "absent"), "--port", "0")
    assert_one_line(result, 3, "absent")


def test_a_default_model_that_is_broken_is_told_in_one_line(tmp_path: Path) -> None:
    version = make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    (version / "model.onnx").write_bytes(b"broken")
    result = run("--models", str(tmp_path), "--default-model", "toy", "--port", "0")
    assert_one_line(result, 3, "toy", "file_size")


def test_a_wrong_setting_is_told_in_one_line() -> None:
    assert_one_line(run(MIRAGE_PORT="many"), 2, "MIRAGE_PORT is 'many'", "integer")
    assert_one_line(run(MIRAGE_PROT="1"), 2, "MIRAGE_PROT is not a setting")


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(PortError, match=r"host is '192\.0\.2\.1' and port is 0"):
        _listen("192.0.2.1", 0)
    with pytest.raises(PortError, match="host is 'no such host'"):
        _listen("no such host", 0)


@pytest.mark.parametrize("host", ["no such host", "a" * 100, "\0", "\udcff"])
def test_a_host_that_is_no_name_is_a_usage_error_in_words(host: str) -> None:
    with pytest.raises(HostError, match="allowed is an address of this machine"):
        _listen(host, 0)


def test_such_a_host_is_told_in_one_line() -> None:
    result = run("--host", "no such host", "--port", "0")
    assert_one_line(result, 2, "host is 'no such host'", "or a name")


def test_a_name_that_has_an_address_is_listened_on() -> None:
    with _listen("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def _status(process: Process, key: str) -> int:
    """How a request with this key is answered."""
    with contextlib.closing(process.connect()) as connection:
        connection.request("GET", "/models", headers={"X-Api-Key": key})
        return connection.getresponse().status
