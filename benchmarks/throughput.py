"""Images per second and latency of the service, of a bare loop and of other servers.

All run in turn on the same graphs, encode with the same function, and are loaded by wrk on the same
machine, in several rounds; medians and ratios within a round count. The peers need an environment:
python -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers/requirements.txt
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
from generators import make_models

from bundle.latents import draw_latents

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = {  # program, and how it is started
    "naive": ["naive.py"],
    "litserve": ["with_litserve.py"],
    "mosec": ["with_mosec.py"],
    "bentoml": ["-m", "bentoml", "serve", "with_bentoml:Generator", "--port", "18100"],
    "ray": ["with_ray.py"],
}
CLIENTS = (1, 2, 8, 24, 64, 256)
BATCHES = (1, 2, 4, 8, 16, 32)
PORT = 18_100
START_S = 90

Row = dict[str, object]


def main() -> None:
    options = _options()
    if shutil.which("wrk") is None:
        print(json.dumps({"left_out": "wrk is not installed"}))
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        graphs = make_models(root)
        for number in range(options.rounds):
            for name in options.models:
                for server in options.servers:
                    for row in measure(server, root, name, graphs[name], options):
                        row = {"round": number, "model": name, "server": server, **row}
                        print(json.dumps(row), file=sys.stderr)
                        rows.append(row)
    if options.to:
        options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    print(json.dumps(summary(rows)))


def measure(
    server: str, root: Path, name: str, graph: Path, options: argparse.Namespace
) -> Iterator[Row]:
    """What one server does at each number of clients and images."""
    if server == "bare":
        yield bare(graph, options.seconds)
        return
    with running(server, root, name, graph, options) as port:
        for images in options.images:
            body = body_of(graph, images, root)
            for clients in options.clients:
                yield {
                    "clients": clients,
                    "images": images,
                    **load(body, images, clients, options.seconds, port),
                }


def bare(graph: Path, seconds: float) -> Row:
    """One single-threaded session per core, engine only: the best batch, and a batch of one."""
    rates = {batch: bare_rate(graph, batch, seconds / 2) for batch in BATCHES}
    best = max(rates, key=rates.__getitem__)
    alone = statistics.median(call_times(graph))
    return {
        "images_s": rates[best],
        "batch": best,
        "images_s_1": rates[1],
        "call_ms": round(1000 * alone, 3),
    }


def bare_rate(graph: Path, batch: int, seconds: float) -> float:
    """Images per second of one process per core."""
    command = [sys.executable, str(HERE / "peers/bare.py"), str(graph), str(batch), str(seconds)]
    cores = sorted(os.sched_getaffinity(0))
    loops = [
        subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, text=True)
        for core in cores
    ]
    return round(sum(float(loop.communicate()[0]) for loop in loops), 1)


def call_times(graph: Path, calls: int = 200) -> list[float]:
    """Seconds of single calls, encoded, in this process."""
    command = [sys.executable, str(HERE / "peers/bare.py"), str(graph), "calls", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


@contextmanager
def running(
    server: str, root: Path, name: str, graph: Path, options: argparse.Namespace
) -> Iterator[int]:
    """A server that answers, in a session of its own that is ended as one."""
    environment = {**os.environ, "BENCH_MODEL": str(graph), "BENCH_PORT": str(PORT)}
    process = subprocess.Popen(
        command_of(server, root, name, options),
        cwd=HERE / "peers" if server in PEERS else ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(process, body_of(graph, 1, root))
        yield PORT
    finally:
        end(process)


def command_of(server: str, root: Path, name: str, options: argparse.Namespace) -> list[str]:
    if server in PEERS:
        return [str(options.peers / "bin/python"), *PEERS[server]]
    python = options.openvino / "bin/python" if server == "mirage-openvino" else sys.executable
    flags = ["--models", str(root), "--default-model", name, "--port", str(PORT)]
    provider = "openvino" if server == "mirage-openvino" else "cpu"
    return [str(python), "-m", "service", *flags, "--provider", provider]


def wait_until_ready(process: subprocess.Popen[bytes], body: Path) -> None:
    """Until it makes an image: then it is warm enough for what follows."""
    until = time.monotonic() + START_S
    url, data = f"http://127.0.0.1:{PORT}/generate", body.read_bytes()
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}")
        request = urllib.request.Request(url, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                if answer.read(4) == b"\x89PNG":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"{process.args} made no image within {START_S} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the whole session, and wait until the port is free."""
    for sign, seconds in ((signal.SIGINT, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, sign)
            process.wait(seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    subprocess.run(
        ["pkill", "-9", "-f", "raylet|gcs_server|ray/haproxy|peers/bin/python|with_"], check=False
    )
    time.sleep(0.5)


def body_of(graph: Path, images: int, root: Path) -> Path:
    """A request for so many images, as JSON."""
    path = root / f"{graph.parent.parent.name}-{images}.json"
    if not path.exists():
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        inputs = {item.name: item.shape for item in session.get_inputs()}
        latents, _ = draw_latents(0, 0, images, inputs["latents"][1], 0)
        content = {"latents": np.round(latents, 6).tolist()}
        path.write_text(
            json.dumps(content | ({"labels": [0] * images} if "labels" in inputs else {}))
        )
    return path


def load(body: Path, images: int, clients: int, seconds: float, port: int) -> Row:
    """What wrk sees of so many connections that ask again at once."""
    accept = "image/png" if images == 1 else "multipart/mixed"
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "--latency"]
    command += ["-s", str(HERE / "peers/post.lua"), f"http://127.0.0.1:{port}/generate"]
    environment = {**os.environ, "BENCH_BODY": str(body), "BENCH_ACCEPT": accept}
    subprocess.run([*command[:3], "-d1s", *command[4:]], env=environment, capture_output=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    rate = images * found["requests"] / found["seconds"]
    return {"images_s": round(rate, 1), **{k: found[k] for k in ("errors", "p50_ms", "p99_ms")}}


def summary(rows: list[Row]) -> Row:
    """Medians over the rounds: images per second and median latency by model, server, load."""
    table: dict[str, object] = {}
    keys = {(r["model"], r["server"], r.get("images", 0), r.get("clients", 0)) for r in rows}
    for key in sorted(keys, key=str):
        found = [
            r
            for r in rows
            if (r["model"], r["server"], r.get("images", 0), r.get("clients", 0)) == key
        ]
        values = {
            field: round(statistics.median(float(str(r[field])) for r in found), 2)
            for field in ("images_s", "images_s_1", "call_ms", "p50_ms", "p99_ms", "errors")
            if field in found[0]
        }
        table["/".join(map(str, key))] = values
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--models", nargs="+", default=["mnist", "rgb32", "rgb256"])
    parser.add_argument("--clients", nargs="+", type=int, default=CLIENTS)
    parser.add_argument("--images", nargs="+", type=int, default=[1, 16], help="of a request")
    parser.add_argument("--servers", nargs="+", help="default: all that are installed")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--openvino", type=Path, default=ROOT / ".venv-openvino")
    parser.add_argument("--to", type=Path, help="a file for all rows")
    options = parser.parse_args()
    if options.servers is None:
        openvino = ["mirage-openvino"] if (options.openvino / "bin/python").exists() else []
        peers = list(PEERS) if (options.peers / "bin/python").exists() else []
        options.servers = ["bare", "mirage", *openvino, *peers]
    return options


if __name__ == "__main__":
    main()
