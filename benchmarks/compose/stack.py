"""A clean copy of the checkout that runs on a Docker engine, and is removed at the end."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OWNER = 1000  # user of the containers unless set in .env
PROFILES = "scale,train,tools,monitoring"
PORTS = {
    "SERVICE_PORT": "127.0.0.1:18000",
    "HAPROXY_PORT": "127.0.0.1:18080",
    "PROMETHEUS_PORT": "127.0.0.1:19090",
}
SERVICE, HAPROXY, PROMETHEUS = (f"http://{address}" for address in PORTS.values())


class Stack:
    """The compose project of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"

    def compose(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `docker compose …` and capture its output; raises on failure unless `check=False`."""
        return run("docker", "compose", *arguments, cwd=self.folder, **options)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers."""
        return self.compose("--profile", "scale", "ps", "-q", service).stdout.split()

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-color", service).stdout

    def set(self, **values: str) -> None:
        """Write .env."""
        lines = [f"{name}={value}\n" for name, value in {**PORTS, **values}.items()]
        (self.folder / ".env").write_text("".join(lines))


def run(*command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done


@contextmanager
def fresh_stack(name: str, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Copy the files of the checkout, owned by user 1000, without build outputs."""
    folder = Path(tempfile.mkdtemp(prefix=f"mirage-{name}-"))
    stack = Stack(folder)
    try:
        listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).stdout
        for file in filter(None, listed.split("\0")):
            if (ROOT / file).is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, folder / file)
        give_away(folder)
        stack.set(**(settings or {}))
        yield stack
    finally:
        environment = {**os.environ, "COMPOSE_PROFILES": PROFILES}
        stack.compose("down", "-v", "--remove-orphans", "-t", "5", check=False, env=environment)
        shutil.rmtree(folder, ignore_errors=True)


def give_away(folder: Path) -> None:
    """Change the owner of a folder and its content to the user of the containers."""
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, OWNER, OWNER, follow_symlinks=False)


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float = 120) -> float:
    """Poll a condition twice a second; returns the seconds until it holds."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise SystemExit(f"after {timeout_s:g} s still not: {what}")
        time.sleep(0.5)
    return time.monotonic() - started


def answers(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def healthy(container: str) -> bool:
    state = run("docker", "inspect", "-f", "{{.State.Health.Status}}", container, check=False)
    return state.stdout.strip() == "healthy"
