"""Tests 20 releases and rollbacks under full load, and then releases of broken versions.

Requests that overlap a switch, from the replacement of release.json until a second after the first
response of the new version, are compared with all others.
"""

import asyncio
import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from load import Load, quantiles_ms, under_load
from stack import ROOT, SERVICE, Stack, answers, fresh_stack, give_away, wait_until

SHIPPED = json.loads((ROOT / "models/mnist/release.json").read_text())["version"]
SWITCHES, CLIENTS, PAUSE_S, LINGER_S = 20, 8, 2, 1
RESIDENT = re.compile(r"^mirage_memory_bytes (\S+)", re.MULTILINE)


def add_version(stack: Stack, version: int) -> Path:
    """A copy of the shipped version under another number."""
    path = stack.models / "mnist" / str(version)
    shutil.copytree(stack.models / f"mnist/{SHIPPED}", path)
    manifest, number = path / "manifest.json", rf'("version": ){SHIPPED}\b'
    manifest.write_text(re.sub(number, rf"\g<1>{version}", manifest.read_text()))
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


BROKEN: dict[str, Callable[[Path], None]] = {
    "graph cut off": lambda version: cut(version / "model.onnx"),
    "graph with a bit turned": lambda version: turn_a_bit(version / "model.onnx"),
    "golden with a bit turned": lambda version: turn_a_bit(version / "golden.npz"),
    "no graph": lambda version: (version / "model.onnx").unlink(),
    "no manifest": lambda version: (version / "manifest.json").unlink(),
    "manifest is no JSON": lambda version: cut(version / "manifest.json"),
    "a file that nobody listed": lambda version: (version / "more.bin").touch(),
    "a link out of the folder": lambda version: (version / "more").symlink_to("/etc/passwd"),
    "nothing there": lambda version: shutil.rmtree(version),
}


def metrics() -> str:
    with urllib.request.urlopen(f"{SERVICE}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def resident_mb() -> int:
    found = RESIDENT.search(metrics())
    return round(float(found[1]) / 1e6) if found else 0


def switch(stack: Stack, load: Load, version: int, command: list[str]) -> tuple[float, float]:
    """Run a release or rollback; returns its start and end."""
    file, before = stack.models / "mnist/release.json", time.time_ns()
    stack.compose("run", "--rm", "-T", "bundle", *command)
    written_ago_s = (time.time_ns() - max(before, file.stat().st_mtime_ns)) / 1e9
    began = time.perf_counter() - written_ago_s
    wait_until("the new version answers", lambda: load.newest == f"mnist@{version}", timeout_s=30)
    time.sleep(LINGER_S)
    return began, time.perf_counter()


def break_releases(stack: Stack) -> dict[str, str]:
    """Release each broken version by writing release.json; returns what the service reports."""
    told = {}
    for number, (name, damage) in enumerate(BROKEN.items(), SHIPPED + 2):
        damage(add_version(stack, number))
        give_away(stack.models)
        write_release(stack, number)
        wanted = re.compile(rf'mirage_release_refused{{.*reason="(.*?)",version="{number}"}} 1')
        pattern = re.compile(r'mirage_release_refused{model="mnist",reason="(.*?)"')
        wait_until(f"{name} is told", lambda found=pattern: bool(found.search(metrics())), 20)
        found = wanted.search(metrics()) or pattern.search(metrics())
        told[name] = found[1] if found else ""
        write_release(stack, SHIPPED)
        wait_until("the fault is over", lambda found=pattern: not found.search(metrics()), 20)
    return told


def write_release(stack: Stack, version: int) -> None:
    beside = stack.models / "mnist/.release"
    beside.write_text(json.dumps({"version": version, "previous": None}))
    beside.replace(stack.models / "mnist/release.json")


def disturb(stack: Stack, load: Load, report: dict[str, object]) -> None:
    time.sleep(5)
    resident, switches = [resident_mb()], []
    for number in range(SWITCHES):
        version = SHIPPED + 1 - number % 2
        command = ["rollback", "mnist"] if number % 4 == 3 else ["release", "mnist", str(version)]
        switches.append(switch(stack, load, version, command))
        time.sleep(PAUSE_S)
        resident.append(resident_mb())
    during, besides = [], []
    for began, seconds in list(load.answers):
        overlaps = any(began < end and began + seconds > start for start, end in switches)
        (during if overlaps else besides).append(seconds)
    report |= {"resident_mb": resident, "switch": quantiles_ms(during)}
    report |= {"else": quantiles_ms(besides), "broken": break_releases(stack)}


async def main() -> None:
    load, report = Load(port=int(SERVICE.rpartition(":")[2]), count=4), {"switches": SWITCHES}
    with fresh_stack("releases", {"SERVICE_CPUS": "1"}) as stack:
        add_version(stack, SHIPPED + 1)
        give_away(stack.models)
        stack.compose("up", "-d", "--build", "service")
        wait_until("the service answers", lambda: answers(f"{SERVICE}/readyz"))
        work = asyncio.to_thread(disturb, stack, load, report)
        await under_load(load, CLIENTS, asyncio.ensure_future(work))
    print(json.dumps({**report, **load.summary()}))


if __name__ == "__main__":
    asyncio.run(main())
