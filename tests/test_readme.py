"""The commands of the README and of the tutorial run, and do what these say.

`tests/docs` checks the commands, links and tables of all pages.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.pages import ROOT, blocks, read, section

README, TUTORIAL, DATASETS = (
    read(ROOT / page) for page in ("README.md", "docs/tutorial.md", "docs/datasets.md")
)
READY_WITHIN_S = 180


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_curl_fails_if_the_service_does() -> None:
    lines = [
        line
        for page in (README, TUTORIAL)
        for code in blocks(page, "sh")
        for line in code.splitlines()
    ]
    curls = [line for line in lines if line.startswith("curl ")]
    assert curls
    assert [line for line in curls if "--fail-with-body" not in line] == []


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server started by the README's first command, on a free port instead of 8000."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not run by `make test`: `make serve` would install another environment")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [*blocks(section(README, "Run it"), "sh")[0].split(), f"PORT={port}"]
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


def run_commands(commands: str, folder: Path) -> None:
    """Run the lines of a block, with `mirage` and `python` of this environment."""
    script = commands.replace("curl ", "curl --silent --show-error ")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    script = re.sub(r"^mirage ", f"{shlex.quote(sys.executable)} -m mirage ", script, flags=re.M)
    subprocess.run(["sh", "-e", "-c", script], cwd=folder, check=True, timeout=590, env=environment)


def sizes(folder: Path, pattern: str = "*.png") -> dict[str, tuple[int, int]]:
    found = {}
    for path in sorted(folder.glob(pattern)):
        with Image.open(path) as image:
            found[path.stem] = image.size
    return found


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_the_readme_draws_a_person(port: int, tmp_path: Path) -> None:
    run_commands(here(blocks(section(README, "Run it"), "sh")[1], port), tmp_path)
    assert sizes(tmp_path) == {"person": (128, 128)}


@needs_curl
def test_the_tutorial_draws_images(port: int, tmp_path: Path) -> None:
    start, *others = blocks(section(TUTORIAL, "1. Start the service"), "sh")
    assert [start, others] == [blocks(section(README, "Run it"), "sh")[0], []]
    for commands in blocks(section(TUTORIAL, "2. Draw images"), "sh"):
        run_commands(here(commands, port), tmp_path)
    assert sizes(tmp_path) == {
        "person": (128, 128),
        "persons": (320, 320),
        "three": (28, 28),
        "large-three": (112, 112),
        "moved": (28, 28),
    }
    assert (tmp_path / "persons.zip").read_bytes().startswith(b"PK")
    with Image.open(tmp_path / "walk.gif") as walk:
        assert walk.n_frames == 48
    assert (tmp_path / "moved.png").read_bytes() != (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize(
    ("page", "part", "output"),
    [
        (README, "The API", "16 images of mnist version 3\n"),
        (TUTORIAL, "2. Draw images", "16 images of mnist@3 seed 7\n"),
    ],
    ids=["README", "tutorial"],
)
def test_the_python_example_runs(
    page: str, part: str, output: str, port: int, tmp_path: Path
) -> None:
    (example,) = blocks(section(page, part), "python")
    done = subprocess.run(
        [sys.executable, "-c", here(example, port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == output


def test_the_commands_for_data_sets_run(port: int, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 10), "teal").save(tmp_path / "photos" / "a.jpg")
    (tmp_path / "models").symlink_to(ROOT / "models")
    images, drawn = blocks(section(DATASETS, "Images in a folder or an archive"), "sh")
    (pictures,) = blocks(section(DATASETS, "Pictures in a folder, enlarged"), "sh")
    for commands in (images, drawn):
        run_commands(here(commands, port).replace("--count 500", "--count 20"), tmp_path)
    assert len(list(tmp_path.glob("threes/*.png"))) == 20
    assert len(list(tmp_path.glob("classes/3/*.png"))) == 2
    assert len(list(tmp_path.glob("digits/*.png"))) == 20
    assert (tmp_path / "digits.tar").is_file()
    assert sizes(tmp_path) == {"three": (28, 28)}
    run_commands(here(pictures, port), tmp_path)
    assert sizes(tmp_path, "large/*.png") == {"a": (80, 40)}


def test_your_own_pictures_become_a_model(tmp_path: Path) -> None:
    """The README's commands on noise, for a moment instead of two hours."""
    rng = np.random.default_rng(0)
    (tmp_path / "my-pictures").mkdir()
    for number in range(16):
        pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "my-pictures" / f"{number}.png")
    setup, *commands, serve = blocks(section(README, "Your own pictures"), "sh")[0].splitlines()
    assert setup == "make setup && . .venv/bin/activate"
    assert serve == "mirage serve --default-model mine"
    script = "\n".join(commands).replace("--hours 2", "--hours 0.0001").replace("64", "16")
    run_commands(script + "\nmirage verify models/mine/1", tmp_path)
    assert (tmp_path / "models" / "mine" / "release.json").is_file()
