"""Releases and rolls back under full load, and measures errors, latency and memory.

Two copies of the shipped model alternate. Requests that overlap a switch, from the start of loading
until the old version is unloaded, are compared with all others.
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SHIPPED = json.loads((ROOT / "models/mnist/release.json").read_text())["version"]
SWITCHES, CLIENTS, PAUSE_S = 20, 8, 1.5
BODY = json.dumps({"count": 4}).encode()
REQUEST = (
    b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
READY = re.compile(r"ready host=\S+ port=(\d+)")


@dataclass
class Load:
    """Start and duration of each request, and failures."""

    port: int
    pause_s: float = 0  # of a client before its next request
    stop: bool = False
    answers: list[tuple[float, float]] = field(default_factory=list)  # of the clock of the log
    errors: list[str] = field(default_factory=list)
    version: str = ""

    async def client(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while not self.stop:
            started = time.time()
            try:
                writer.write(REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
            except (OSError, EOFError) as error:
                self.errors.append(repr(error))
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                continue
            if not head.startswith(b"HTTP/1.1 200"):
                self.errors.append(head.decode().splitlines()[0])
            elif found := re.search(rb"x-model: \w+@(\d+)", head):
                self.version = found[1].decode()
            self.answers.append((started, time.time() - started))
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
        writer.close()


def make_store(root: Path) -> None:
    """The shipped version, and a copy of it under the next number."""
    shutil.copytree(ROOT / "models", root, dirs_exist_ok=True)
    copy = root / "mnist" / str(SHIPPED + 1)
    shutil.copytree(root / "mnist" / str(SHIPPED), copy)
    manifest, number = copy / "manifest.json", rf'("version": ){SHIPPED}\b'
    manifest.write_text(re.sub(number, rf"\g<1>{SHIPPED + 1}", manifest.read_text()))


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else float("nan")


def p99_ms(seconds: list[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=100)[98]


def log_lines(root: Path, message: str) -> list[dict[str, Any]]:
    """The log lines with a prefix; `at` is their time in seconds."""
    lines = map(json.loads, (root / ".log").read_text().splitlines())
    found = [line for line in lines if line["message"].startswith(message)]
    return [line | {"at": datetime.fromisoformat(line["time"]).timestamp()} for line in found]


def switch_times(root: Path) -> list[tuple[float, float]]:
    """Start and end of each switch, without the initial loading."""
    loaded = log_lines(root, "model loaded")[1:]
    left = log_lines(root, "model unloaded")
    return [
        (begun["at"] - float(begun["message"].rpartition("=")[2]), ended["at"])
        for begun, ended in zip(loaded, left, strict=False)
    ]


async def switch(root: Path, version: int, load: Load) -> float:
    """Release a version, wait until it is served, and return the seconds."""
    command = [sys.executable, "-m", "bundle", "--models", str(root), "release", "mnist"]
    process = await asyncio.create_subprocess_exec(
        *command, str(version), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    if await process.wait():
        raise SystemExit("the release failed")
    written = time.perf_counter()
    while load.version != str(version):
        await asyncio.sleep(0.01)
    return time.perf_counter() - written


async def measure(root: Path, pid: int, port: int) -> dict[str, object]:
    load = Load(port)
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    await asyncio.sleep(PAUSE_S)
    resident = [resident_mb(pid)]
    for number in range(SWITCHES):
        seconds = await switch(root, version := SHIPPED + 1 - number % 2, load)
        await asyncio.sleep(PAUSE_S)
        resident.append(resident_mb(pid))
        print(f"version {version} answers after {seconds:.2f} s; {resident[-1]:.0f} MB resident")
    load.stop = True
    await asyncio.gather(*clients)
    return report(load, switch_times(root)) | {"resident_mb": [round(mb) for mb in resident]}


def report(load: Load, switches: list[tuple[float, float]]) -> dict[str, object]:
    during, besides = [], []
    for started, seconds in load.answers:
        overlaps = any(started < end and started + seconds > begun for begun, end in switches)
        (during if overlaps else besides).append(seconds)
    return {
        "requests": len(load.answers),
        "errors": len(load.errors),
        "switches": len(switches),
        "switch_s": round(statistics.median(end - begun for begun, end in switches), 2),
        "requests_of_switches": len(during),
        "p50_ms": round(1000 * statistics.median(besides), 1),
        "p50_switch_ms": round(1000 * statistics.median(during), 1),
        "p99_ms": round(p99_ms(besides), 1),
        "p99_switch_ms": round(p99_ms(during), 1),
        "max_ms": round(1000 * max(besides), 1),
        "max_switch_ms": round(1000 * max(during), 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_store(root)
        flags = ["--models", folder, "--default-model", "mnist", "--port", "0"]
        command = [sys.executable, "-m", "service", *flags, "--log-format", "json"]
        with (root / ".log").open("w") as log:
            server = subprocess.Popen(command, cwd=ROOT, stderr=log)
            try:
                while not (found := READY.search((root / ".log").read_text())):
                    time.sleep(0.1)
                print(json.dumps(asyncio.run(measure(root, server.pid, int(found[1])))))
            finally:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
