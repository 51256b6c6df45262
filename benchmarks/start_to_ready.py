"""How long the service takes from start to ready with the shipped model, and what it holds then."""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 5


def start_once() -> tuple[float, float]:
    """Seconds from the start of the process to its ready line, and resident MB at that moment."""
    command = [sys.executable, "-m", "service", "--default-model", "mnist", "--port", "0"]
    started = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr or ():
            if " ready " in line:
                return time.perf_counter() - started, resident_mb(server.pid)
        raise SystemExit(f"the service ended with {server.wait()} before it was ready")
    finally:
        server.terminate()
        server.communicate()


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else float("nan")


def main() -> None:
    results = [start_once() for _ in range(RUNS)]
    for seconds, megabytes in results:
        print(f"ready after {seconds:.2f} s, {megabytes:.0f} MB resident")
    seconds, megabytes = (statistics.median(values) for values in zip(*results, strict=True))
    print(json.dumps({"ready_s": round(seconds, 3), "resident_mb": round(megabytes), "runs": RUNS}))


if __name__ == "__main__":
    main()
