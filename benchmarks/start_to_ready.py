"""Measures the time from start to ready with the shipped model, and the memory afterwards.

Memory is that of all processes; shared memory is counted once.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from serving.processes import memory_mb

ROOT = Path(__file__).parent.parent
RUNS = 5


def start_once() -> tuple[float, float]:
    """Seconds from the start of the process to its ready line, and memory in MB at that time."""
    command = [sys.executable, "-m", "service", "--default-model", "mnist", "--port", "0"]
    started = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr or ():
            if " ready host=" in line:
                return time.perf_counter() - started, memory_mb(server.pid)
        raise SystemExit(f"the service ended with {server.wait()} before it was ready")
    finally:
        server.terminate()
        server.communicate()


def main() -> None:
    results = [start_once() for _ in range(RUNS)]
    for seconds, megabytes in results:
        print(f"ready after {seconds:.2f} s, {megabytes:.0f} MB held")
    seconds, megabytes = (statistics.median(values) for values in zip(*results, strict=True))
    print(json.dumps({"ready_s": round(seconds, 3), "held_mb": round(megabytes), "runs": RUNS}))


if __name__ == "__main__":
    main()
