"""The README does what it says: its commands run, and its settings are the service's."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mirage.service.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
READY_WITHIN_S = 180


def blocks(language: str, section: str) -> list[str]:
    """The code blocks of one section."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _shown(default: object) -> str:
    return "-" if default in (None, ()) else f"`{default}`"


def settings_table() -> str:
    """The settings as the README lists them."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def test_the_settings_are_those_of_the_service() -> None:
    listed = README.split("tests/test_readme.py -->\n")[1].split("\n<!-- /settings")[0]
    assert listed == settings_table()


def test_every_file_that_it_links_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server started by the README's first command, on a free port instead of 8000."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not run by `make test`: `make serve` would install another environment")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [*blocks("sh", "Quick start")[0].split(), f"PORT={port}"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_ready(port, server)
        yield port
    finally:
        subprocess.run(["pkill", "-TERM", "-P", str(server.pid)], check=True)
        server.communicate(timeout=60)


def _wait_until_ready(port: int, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)  # it has no other way to say so
        else:
            return
    pytest.fail(f"not ready; {server.communicate(timeout=5)[1] if server.poll() else 'too slow'}")


def here(text: str, port: int) -> str:
    return text.replace("localhost:8000", f"127.0.0.1:{port}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_commands_write_the_images(port: int, tmp_path: Path) -> None:
    (commands,) = blocks("sh", "Quick start")[1:]
    script = here(commands, port).replace("curl ", "curl --fail --silent --show-error ")
    subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, check=True, timeout=60)
    sizes = {}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            sizes[path.stem] = image.size
    assert sizes == {
        "person": (128, 128),
        "persons": (320, 320),
        "three": (28, 28),
        "large-three": (112, 112),
    }
    assert (tmp_path / "persons.zip").read_bytes().startswith(b"PK")


def test_the_python_example_runs(port: int, tmp_path: Path) -> None:
    (example,) = blocks("python", "Quick start")
    done = subprocess.run(
        [sys.executable, "-c", here(example, port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "16 images of mnist@2 seed 7\n"


def test_the_commands_of_training_exist() -> None:
    lines = [line for block in blocks("sh", "Train your own") for line in block.splitlines()]
    modules = {tuple(line.split()[2:4]) for line in lines if line.startswith("python -m")}
    commands = [[*module] for module in modules if not module[1].startswith("-")]
    assert len(commands) == 3
    for module, command in commands:
        help_ = [sys.executable, "-m", module, command, "--help"]
        assert subprocess.run(help_, cwd=ROOT, capture_output=True, timeout=120).returncode == 0
