"""Kills a retraining job until it ends, and compares it with an uninterrupted one.

`python -m tests.training.helpers.kills FOLDER` kills it before every file that it renames into
place; with `--random 20` it kills 20 jobs, each at a random time instead. The last line is one JSON
object. All jobs are forks of one process, because importing torch takes longer than a job.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.release import read_release
from mirage.training.publish.job_result import read_result
from mirage.training.retrain import retrain
from tests.training.helpers.jobs import make_job

Move = Callable[..., None]
LASTING = {"000000032.safetensors", "1", "release.json"}
"""Last snapshot, version, release: must not be repeated, so the job is also killed after them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", type=int, metavar="KILLS")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()
    run(options.folder / "unbroken")
    took_s = time.perf_counter() - began
    whole = outcome(options.folder / "unbroken")
    if options.random:
        kills = kill_at_random(options.folder, options.random, options.seed, took_s, whole)
        summary: dict[str, Any] = {"job_s": round(took_s, 2), "kills": kills}
    else:
        processes, killed_at = kill_everywhere(options.folder / "killed")
        ended = outcome(options.folder / "killed")
        summary = {"processes": processes, "killed_at": killed_at, "whole": whole, "ended": ended}
    sys.stdout.write(json.dumps(summary) + "\n")


def kill_everywhere(folder: Path) -> tuple[int, list[str]]:
    """Kill a job before every new file; returns the number of processes and the files."""
    marks = folder / "marks"
    marks.mkdir(parents=True)
    processes = 1
    while run(folder, prepare=lambda: die_at_new_files(marks)) == -signal.SIGKILL:
        processes += 1
    return processes, sorted({mark.read_text() for mark in marks.iterdir()})


def kill_at_random(
    folder: Path, count: int, seed: int, took_s: float, whole: dict[str, Any]
) -> list[dict[str, Any]]:
    """Kill the given number of jobs at random times within the duration of a job."""
    moments = random.Random(seed)
    kills: list[dict[str, Any]] = []
    while sum(kill["killed"] for kill in kills) < count:
        kills.append(kill_once(folder / str(len(kills)), moments.uniform(0, took_s), whole))
        if not kills[-1]["killed"]:  # it was quicker than the first one
            took_s = min(took_s, kills[-1]["after_s"])
    return kills


def kill_once(folder: Path, after_s: float, whole: dict[str, Any]) -> dict[str, Any]:
    """Kill a job after a time, repeat it, and compare it with an uninterrupted one."""
    status = run(folder, kill_after_s=after_s)
    past = read_result(next(iter((folder / "runs").glob("*")), folder))
    stage = past.stage if past else None
    repeated = run(folder)
    return {
        "after_s": round(after_s, 2),
        "killed": status == -signal.SIGKILL,
        "stage": stage,
        "same": repeated == 0 and outcome(folder) == whole,
    }


def run(
    folder: Path, prepare: Callable[[], None] = lambda: None, kill_after_s: float | None = None
) -> int:
    """Run the job in `folder` in one process; returns its exit code, negative for a signal."""
    pid = os.fork()
    if not pid:
        os._exit(_work(folder, prepare))
    killer = threading.Timer(kill_after_s or 0, os.kill, (pid, signal.SIGKILL))
    if kill_after_s is not None:
        killer.start()
    _, status = os.waitpid(pid, 0)
    killer.cancel()
    return os.waitstatus_to_exitcode(status)


def _work(folder: Path, prepare: Callable[[], None]) -> int:
    try:
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        prepare()
        retrain(make_job(folder, {"kimg": 0.032}, release=True))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def die_at_new_files(marks: Path) -> None:
    """From now on, kill this process before a new file gets its name, once for each file.

    marks: a folder that remembers which of these moments have been.
    """

    def dying(move: Move) -> Move:
        def moving(source: Any, target: Any, **options: Any) -> None:
            is_new = not os.path.lexists(target)
            if is_new:
                die_once("before", target)
            move(source, target, **options)
            if is_new and Path(target).name in LASTING:
                die_once("after", target)

        return moving

    def die_once(moment: str, target: Any) -> None:
        mark = marks / hashlib.sha256(f"{moment} {target}".encode()).hexdigest()
        if not mark.exists():
            mark.write_text(f"{moment} {Path(target).name}")
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace, os.rename = dying(os.replace), dying(os.rename)


def outcome(folder: Path) -> dict[str, Any]:
    """The published result, as far as it must not depend on kills."""
    root = folder / "models"
    bundle = load_bundle(root / "toy" / "1")
    weights = load_file(bundle.path / "weights.safetensors")
    digest = hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights)))
    current = read_release(root, "toy")
    past = read_result(next((folder / "runs").glob("[!.]*")))
    return {
        "versions": list_versions(root, "toy"),
        "hidden": sorted(path.name for path in (root / "toy").glob(".*")),
        "released": current.version if current else None,
        "outcome": past.outcome if past else None,
        "model": hashlib.sha256(bundle.model).hexdigest(),
        "weights": digest.hexdigest(),
        "scores": bundle.manifest.model_dump(mode="json")["scores"],
    }


if __name__ == "__main__":
    main()
