import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mirage.training.__main__ import main
from tests.training.helpers.runs import write_run

ROOT = Path(__file__).parents[3]


def test_serves_a_run_until_it_is_interrupted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", reports=2)
    command = [sys.executable, "-m", "training", "watch", str(run.path), "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout
        assert watch.stderr
        line = watch.stdout.readline()
        url = re.match(r"http://127\.0\.0\.1:\d+/", line)
        assert url, line
        with urllib.request.urlopen(f"{url[0]}state.json", timeout=60) as answer:
            assert json.load(answer)["progress"]["nimg"] == 2000
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=60) == 0
        assert watch.stderr.read() == ""


def test_a_port_that_is_taken_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["watch", str(tmp_path), "--port", str(port)]) == 2
    assert f"--port is {port}, which another program uses" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_out_of_range_is_a_usage_error(port: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["watch", str(tmp_path), "--port", port])
    assert exit_.value.code == 2


def test_a_file_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.touch()
    assert main(["watch", str(path)]) == 3
    assert "is not a folder" in capsys.readouterr().err
