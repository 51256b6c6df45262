"""Measures the memory of a service of one process while it enlarges pictures.

First the peak above the service at rest, for large answers and large pictures. Then the resident
memory over pictures of many distinct sizes, each sent once, in random order.
"""

import argparse
import http.client
import io
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from serving.processes import cpu_s_of_threads, memory_peak_mb, reset_memory_peak, resident_mb
from serving.servers import Row, free_port

ROOT = Path(__file__).parent.parent
# The limits are raised, so that they do not reject what is measured.
FLAGS = (
    *("--workers", "1", "--provider", "cpu", "--log-level", "error"),
    *("--megapixels-per-request", "1000", "--picture-megapixels", "64"),
    *("--queue-megapixels", "1000", "--picture-bytes", str(2**29)),
    *("--picture-memory-bytes", str(2**32), "--picture-deadline-s", "3600"),
)
REST_S = 8  # longer than engines must be idle to release memory
SIDE = 100  # of the largest of the pictures of distinct sizes, SIDE² in all
WINDOWS = 10  # parts of them, each with a median
SAMPLE_EVERY = 10  # pictures


@dataclass(frozen=True)
class Case:
    """A picture to enlarge; the answer is a PNG."""

    name: str
    width: int
    height: int
    scale: float = 4
    mode: str = "RGB"
    format: str = "JPEG"


LARGE = (
    Case("answer of 24 megapixels", 1500, 1000),
    Case("answer of 48 megapixels", 2000, 1500),
    Case("answer of 48 megapixels with alpha", 2000, 1500, mode="RGBA", format="PNG"),
    Case("answer of 48 megapixels, as wide as allowed", 16384, 183),
    Case("answer of 27 megapixels, resized", 2000, 1500, scale=3),
)
# Minutes of processor time: the model makes 16 times as many pixels.
HUGE = (
    Case("picture of 24 megapixels", 6000, 4000, scale=1),
    Case("picture of 48 megapixels", 8000, 6000, scale=1),
    Case("picture of 48 megapixels with alpha", 8000, 6000, scale=1, mode="RGBA", format="PNG"),
)


@contextmanager
def serving(models: Path, model: str) -> Iterator[tuple[int, int]]:
    """Start a service of one process; yields its process id and port."""
    port = free_port()
    command = [sys.executable, "-m", "service", "--models", str(models), "--default-model", model]
    server = subprocess.Popen(
        [*command, "--port", str(port), *FLAGS], cwd=ROOT, stderr=subprocess.DEVNULL
    )
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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=9)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def make_picture(case: Case) -> bytes:
    """Return a file of smooth shapes with some noise, about as compressible as a photograph."""
    rng = np.random.default_rng(0)
    shape = case.height // 16 + 2, case.width // 16 + 2, len(case.mode)
    coarse = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
    smooth = np.asarray(coarse.resize((case.width, case.height), Image.Resampling.BICUBIC))
    pixels = smooth // 2 + rng.integers(0, 8, smooth.shape, np.uint8)
    if case.mode == "RGBA":  # a third each is transparent, opaque and in between
        alpha = smooth[:, :, 3].astype(np.int16)
        pixels[:, :, 3] = (3 * (alpha - 85)).clip(0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, case.format, quality=90, compress_level=1)
    return buffer.getvalue()


def post(connection: http.client.HTTPConnection, data: bytes, scale: float) -> int:
    """Enlarge a picture; returns the bytes of the answer."""
    headers = {"content-type": "application/octet-stream"}
    connection.request("POST", f"/upscale?scale={scale:g}", data, headers)
    response = connection.getresponse()
    if response.status != http.HTTPStatus.OK:
        raise SystemExit(f"the service answered {response.status}: {response.read()!r}")
    size = 0
    while part := response.read(2**16):
        size += len(part)
    return size


def measure_large(cases: tuple[Case, ...], pid: int, port: int) -> Iterator[Row]:
    """Yield the peaks of pictures that are sent one by one to a service at rest."""
    for case in cases:
        data = make_picture(case)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
        post(connection, make_picture(Case("small", 64, 64)), 1)
        time.sleep(REST_S)
        reset_memory_peak(pid)
        rest, cpu_s = resident_mb(pid), sum(cpu_s_of_threads(pid).values())
        size = post(connection, data, case.scale)
        connection.close()
        above = memory_peak_mb(pid) - rest
        decoded = case.width * case.height * len(case.mode) / 2**20
        yield {
            "case": case.name,
            "posted_mib": round(len(data) / 2**20, 1),
            "decoded_mib": round(decoded, 1),
            "answer_mib": round(size / 2**20, 1),
            "rest_mib": round(rest, 1),
            "peak_above_rest_mib": round(above, 1),
            "beyond_decoded_mib": round(above - decoded, 1),
            "cpu_s": round(sum(cpu_s_of_threads(pid).values()) - cpu_s, 1),
        }


def measure_sizes(side: int, pid: int, port: int) -> Row:
    """The resident memory over pictures of all sizes up to a side, after a tenth of them."""
    sizes = [(width, height) for width in range(1, side + 1) for height in range(1, side + 1)]
    random.Random(0).shuffle(sizes)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    picture = Image.open(io.BytesIO(make_picture(Case("", side, side, format="PNG"))))
    samples = []
    for number, (width, height) in enumerate(sizes):
        buffer = io.BytesIO()
        picture.crop((0, 0, width, height)).save(buffer, "PNG")
        post(connection, buffer.getvalue(), 4)
        if number % SAMPLE_EVERY == SAMPLE_EVERY - 1:
            samples.append(resident_mb(pid))
    connection.close()
    length = len(samples) // WINDOWS
    windows = [
        round(statistics.median(samples[n * length : (n + 1) * length]), 1) for n in range(WINDOWS)
    ]
    time.sleep(REST_S)
    return {
        "sizes": len(sizes),
        "windows_mib": windows,
        "growth": round(windows[-1] / windows[0] - 1, 4),
        "at_rest_mib": round(resident_mb(pid), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--model", default="photo-x4")
    parser.add_argument("--huge", action="store_true", help="large pictures, too: minutes")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--side", type=int, default=SIDE, help="sizes from 1x1; 0: none")
    options = parser.parse_args()
    cases = [case for case in LARGE + HUGE * options.huge if options.only in case.name]
    rows, sizes = [], None
    with serving(options.models, options.model) as (pid, port):
        for row in measure_large(tuple(cases), pid, port):
            print(json.dumps(row), file=sys.stderr)
            rows.append(row)
    if options.side:
        with serving(options.models, options.model) as (pid, port):
            sizes = measure_sizes(options.side, pid, port)
    print(json.dumps({"large": rows, "sizes": sizes}))


if __name__ == "__main__":
    main()
