"""Measures the memory of a worker while it enlarges pictures.

`large`: the peak above the worker at rest for answers and pictures of 24 and 48 megapixels.
`sizes`: resident memory over pictures of many distinct sizes, each sent once.
"""

import argparse
import io
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from serving.processes import cpu_s_of_threads, memory_peak_mb, reset_memory_peak, resident_mb
from serving.servers import free_port

ROOT = Path(__file__).parent.parent
# The limits are raised, so that they do not reject what is measured.
FLAGS = (
    *("--workers", "1", "--provider", "cpu", "--log-level", "warning"),
    *("--megapixels-per-request", "1000", "--picture-megapixels", "64"),
    *("--queue-megapixels", "1000", "--picture-bytes", str(2**29), "--picture-memory-bytes"),
    *(str(2**32), "--picture-deadline-s", "3600"),
)
# Width, height, mode, format and scale, by name. All answers are PNG.
LARGE: dict[str, tuple[int, int, str, str, float]] = {
    "wide": (2000, 175, "RGB", "JPEG", 4),
    "answer of 24 megapixels": (1500, 1000, "RGB", "JPEG", 4),
    "answer of 48 megapixels": (2000, 1500, "RGB", "JPEG", 4),
    "answer of 48 megapixels with alpha": (2000, 1500, "RGBA", "PNG", 4),
    "answer of 48 megapixels, as wide as allowed": (16384, 183, "RGB", "JPEG", 4),
    "answer of 27 megapixels, resized": (2000, 1500, "RGB", "JPEG", 3),
}
HUGE: dict[str, tuple[int, int, str, str, float]] = {
    "picture of 24 megapixels": (6000, 4000, "RGB", "JPEG", 1),
    "picture of 48 megapixels": (8000, 6000, "RGB", "JPEG", 1),
    "picture of 48 megapixels with alpha": (8000, 6000, "RGBA", "PNG", 1),
}
SIDE = 100  # of the largest of the many pictures: SIDE² sizes
REST_S = 8  # longer than lanes must be idle to release memory
WINDOWS = 10


@contextmanager
def serving(models: Path, model: str) -> Iterator[tuple[int, int]]:
    """Start a service of one process; yields its process id and port."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "service",
        "--models",
        str(models),
        "--default-model",
        model,
        "--port",
        str(port),
    ]
    server = subprocess.Popen([*command, *FLAGS], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while not is_ready(port):
            if server.poll() is not None:
                raise SystemExit(f"the service ended with {server.returncode} before it was ready")
            time.sleep(0.2)
        yield server.pid, port
    finally:
        server.terminate()
        server.wait()


def is_ready(port: int) -> bool:
    """Whether the service answers requests."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=9):
            return True
    except OSError:
        return False


def make_picture(width: int, height: int, mode: str, kind: str) -> bytes:
    """Return a file of smooth shapes with some noise, compressible about as a photograph."""
    rng = np.random.default_rng(0)
    channels = len(mode)
    coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, channels), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.integers(0, 8, smooth.shape, np.uint8)
    buffer = io.BytesIO()
    pixels = smooth // 2 + 64 + noise
    if mode == "RGBA":
        pixels[:, :, 3] = np.where(
            smooth[:, :, 3] > 160, 255, np.where(smooth[:, :, 3] < 100, 0, pixels[:, :, 3])
        )
    Image.fromarray(pixels).save(buffer, kind, quality=90, compress_level=1)
    return buffer.getvalue()


def post(port: int, data: bytes, scale: float) -> int:
    """Enlarge a picture; returns the bytes of the answer."""
    url = f"http://127.0.0.1:{port}/upscale?scale={scale:g}"
    request = urllib.request.Request(url, data, {"content-type": "application/octet-stream"})
    size = 0
    with urllib.request.urlopen(request, timeout=3600) as answer:
        while part := answer.read(2**16):
            size += len(part)
    return size


def measure_large(
    cases: dict[str, tuple[int, int, str, str, float]], pid: int, port: int
) -> list[dict[str, Any]]:
    rows = []
    small = make_picture(64, 64, "RGB", "PNG")
    for name, (width, height, mode, kind, scale) in cases.items():
        data = make_picture(width, height, mode, kind)
        post(port, small, 4)
        time.sleep(REST_S)
        reset_memory_peak(pid)
        rest, cpu_s = resident_mb(pid), sum(cpu_s_of_threads(pid).values())
        size = post(port, data, scale)
        decoded = width * height * len(mode) / 2**20
        above = memory_peak_mb(pid) - rest
        row = {
            "case": name,
            "posted_mib": round(len(data) / 2**20, 1),
            "answer_mib": round(size / 2**20, 1),
            "decoded_mib": round(decoded, 1),
            "rest_mib": round(rest, 1),
            "peak_above_rest_mib": round(above, 1),
            "beyond_decoded_mib": round(above - decoded, 1),
            "cpu_s": round(sum(cpu_s_of_threads(pid).values()) - cpu_s, 1),
        }
        print(json.dumps(row), file=sys.stderr)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--model", default="photo-x4")
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with serving(options.models, options.model) as (pid, port):
        rows = measure_large(
            {
                k: v
                for k, v in (LARGE | (HUGE if options.huge else {})).items()
                if options.only in k
            },
            pid,
            port,
        )
    print(json.dumps({"large": rows}))


if __name__ == "__main__":
    main()
