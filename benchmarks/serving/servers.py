"""The servers that are measured: variants of this service, and others.

A server is named by a word; flags after it give a variant of the service: `mirage`,
`mirage-openvino`, `mirage --log-level warning`, `mosec`.
"""

import argparse
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mirage.bundle.format.latents import draw_latents

from .processes import MARK, end

BENCHMARKS = Path(__file__).parent.parent
ROOT = BENCHMARKS.parent
SERVICES = ("mirage", "mirage-openvino")
PEERS = {  # program and command
    "naive": ["naive.py"],
    "litserve": ["with_litserve.py"],
    "mosec": ["with_mosec.py"],
    "bentoml": ["-m", "bentoml", "serve", "with_bentoml:Generator", "--port", "{port}"],
    "ray": ["with_ray.py"],
}
START_S = 90

Row = dict[str, Any]


class ServerError(Exception):
    """A server does not start or does not respond."""


@dataclass(frozen=True)
class Server:
    """A running server; `pid` is its first process."""

    port: int
    pid: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options for starting servers."""
    parser.add_argument(
        "--flags", default="", help="of the service, as one text: '--log-level error'"
    )
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--openvino", type=Path, default=ROOT / ".venv-openvino")


def installed(options: argparse.Namespace) -> list[str]:
    """The names of all servers available on this machine."""
    openvino = SERVICES[1:] if (options.openvino / "bin/python").exists() else ()
    peers = PEERS if (options.peers / "bin/python").exists() else ()
    return [SERVICES[0], *openvino, *peers]


@contextmanager
def running(server: str, graph: Path, options: argparse.Namespace) -> Iterator[Server]:
    """Start a server in its own session and wait until it responds; raises ServerError."""
    port, mark = free_port(), uuid.uuid4().hex
    environment = {"BENCH_MODEL": str(graph), "BENCH_PORT": str(port), MARK: mark}
    try:
        process = subprocess.Popen(
            command_of(server, graph, port, options),
            cwd=BENCHMARKS / "peers" if server in PEERS else ROOT,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ServerError(str(error)) from error
    try:
        wait_until_ready(process, port, body_of(graph, 1))
        yield Server(port, process.pid)
    finally:
        end(process, mark)


def command_of(server: str, graph: Path, port: int, options: argparse.Namespace) -> list[str]:
    """The command of a server; `graph` is MODELS/NAME/VERSION/model.onnx."""
    name, *flags = shlex.split(server)
    if name in PEERS:
        arguments = [argument.format(port=port) for argument in PEERS[name]]
        return [str(options.peers / "bin/python"), *arguments]
    root, model = graph.parents[2], graph.parents[1].name
    openvino = name == "mirage-openvino"
    python = str(options.openvino / "bin/python") if openvino else sys.executable
    command = [python, "-m", "service", "--models", str(root), "--default-model", model]
    command += ["--port", str(port), "--provider", "auto" if openvino else "cpu"]
    return [*command, *shlex.split(options.flags), *flags]


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until_ready(process: subprocess.Popen[bytes], port: int, body: Path) -> None:
    """Wait until the server returns an image; raises ServerError."""
    until = time.monotonic() + START_S
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/generate", body.read_bytes(), {"content-type": "application/json"}
    )
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(f"it ended with {process.returncode} before it answered")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                if answer.read(4) == b"\x89PNG":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ServerError(f"it made no image within {START_S} s")


def body_of(graph: Path, images: int) -> Path:
    """Write the JSON body of a request for `images` images to a file next to the models."""
    path = graph.parents[2] / f"{graph.parents[1].name}-{images}.json"
    if not path.exists():
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        inputs = {item.name: item.shape for item in session.get_inputs()}
        latents, _ = draw_latents(0, 0, images, inputs["latents"][1], 0)
        content = {"latents": np.round(latents, 6).tolist()}
        labels = {"labels": [0] * images} if "labels" in inputs else {}
        path.write_text(json.dumps(content | labels))
    return path


def load(body: Path, images: int, clients: int, seconds: float, port: int) -> Row:
    """Measure a server with wrk and the given number of connections, after a second of warm-up.

    Raises ServerError if there is no response.
    """
    run_wrk(body, images, clients, 1, port)
    return load_cold(body, images, clients, seconds, port)


def load_cold(body: Path, images: int, clients: int, seconds: float, port: int) -> Row:
    """Like `load`, without warm-up."""
    done = run_wrk(body, images, clients, seconds, port)
    if done.returncode:
        raise ServerError((done.stdout + done.stderr).strip() or "wrk failed")
    return row_of(json.loads(done.stdout.strip().splitlines()[-1]), images)


def run_wrk(
    body: Path, images: int, clients: int, seconds: float, port: int
) -> "subprocess.CompletedProcess[str]":
    accept = "image/png" if images == 1 else "multipart/mixed"
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "--latency"]
    command += ["-s", str(BENCHMARKS / "peers/post.lua"), f"http://127.0.0.1:{port}/generate"]
    environment = {**os.environ, "BENCH_BODY": str(body), "BENCH_ACCEPT": accept}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def row_of(found: Row, images: int) -> Row:
    """Convert the output of wrk to a row: only images count, failed requests give an `error`.

    Raises ServerError if there is no response.
    """
    made = found["requests"] - found["refused"]
    row = {"images_s": round(images * made / found["seconds"], 1)}
    row |= {name: found[name] for name in ("errors", "p50_ms", "p99_ms")}
    if not found["requests"]:
        raise ServerError(f"no answer within {found['seconds']:.0f} s")
    if found["errors"]:
        row["error"] = f"{found['errors']} errors beside {made} answers"
    return row
