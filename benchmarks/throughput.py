"""Measures images per second and latency of the service, a bare loop, and other servers.

All servers use the same graphs and the same encoder, and are loaded in turn by wrk on the same
machine, in several rounds. Compare medians and ratios within a round. The service runs with its
defaults, including a log line per request, which goes to /dev/null; the peers run without access
logs. `--flags "--log-level warning"`, or a server named "mirage --log-level warning", changes that.
The peers need an environment:
python -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers/requirements.txt
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from generators import make_models
from serving.plots import draw, plot_throughput
from serving.servers import (
    BENCHMARKS,
    PEERS,
    SERVICES,
    Row,
    ServerError,
    add_options,
    body_of,
    installed,
    load,
    running,
)
from serving.summary import BARE, summary

CLIENTS = (1, 2, 8, 24, 64, 256)
BATCHES = (1, 2, 4, 8, 16, 32)


def main() -> None:
    options = _options()
    if options.plot:
        rows = [json.loads(line) for line in options.plot.read_text().splitlines()]
        draw(plot_throughput, rows, options.plot)
    elif shutil.which("wrk") is None:
        print(json.dumps({"left_out": "wrk is not installed"}))
        return
    else:
        rows = list(measure_all(options))
        if options.to:
            draw(plot_throughput, rows, options.to)
    print(json.dumps(summary(rows)))


def measure_all(options: argparse.Namespace) -> Iterator[Row]:
    """All rows; each is also written as soon as it is measured."""
    with tempfile.TemporaryDirectory() as folder:
        graphs = make_models(Path(folder))
        for number in range(options.rounds):
            for name in options.models:
                for server in options.servers:
                    for row in measure(server, graphs[name], options):
                        row = {"round": number, "model": name, "server": server, **row}
                        print(json.dumps(row), file=sys.stderr)
                        if options.to:
                            with options.to.open("a") as file:
                                file.write(f"{json.dumps(row)}\n")
                        yield row


def measure(server: str, graph: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Measure one server at each number of clients and images; failures give an error."""
    if server == BARE:
        yield bare(graph, options.seconds)
        return
    try:
        with running(server, graph, options) as found:
            for images in options.images:
                body = body_of(graph, images)
                for clients in options.clients:
                    yield {
                        "clients": clients,
                        "images": images,
                        **loaded(body, images, clients, options.seconds, found.port),
                    }
    except ServerError as error:
        yield {"error": str(error)}


def loaded(body: Path, images: int, clients: int, seconds: float, port: int) -> Row:
    """The result of a load, or its error."""
    try:
        return load(body, images, clients, seconds, port)
    except ServerError as error:
        return {"error": str(error)}


def bare(graph: Path, seconds: float) -> Row:
    """One single-threaded session per core at each batch size, and a single call of one image."""
    rates = {batch: bare_rate(graph, batch, seconds / 2) for batch in BATCHES}
    best = max(rates, key=rates.__getitem__)
    alone = statistics.median(call_times(graph))
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    _, side, _, channels = session.get_outputs()[0].shape
    return {
        "images_s": rates[best],
        "batch": best,
        "images_s_1": rates[1],
        "call_ms": round(1000 * alone, 3),
        "rates": rates,
        "cores": len(os.sched_getaffinity(0)),
        "side": side,
        "channels": channels,
    }


def bare_rate(graph: Path, batch: int, seconds: float) -> float:
    """Images per second of one process per core."""
    program = str(BENCHMARKS / "peers/bare.py")
    command = [sys.executable, program, str(graph), str(batch), str(seconds)]
    cores = sorted(os.sched_getaffinity(0))
    loops = [
        subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, text=True)
        for core in cores
    ]
    return round(sum(float(loop.communicate()[0]) for loop in loops), 1)


def call_times(graph: Path, calls: int = 200) -> list[float]:
    """Seconds of single calls, encoded, in a process of its own."""
    command = [sys.executable, str(BENCHMARKS / "peers/bare.py"), str(graph), "calls", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--models", nargs="+", default=["mnist", "rgb32", "rgb256"])
    parser.add_argument("--clients", nargs="+", type=int, default=CLIENTS)
    parser.add_argument("--images", nargs="+", type=int, default=[1, 16], help="of a request")
    known = ", ".join((BARE, *SERVICES, *PEERS))
    parser.add_argument(
        "--servers",
        nargs="+",
        metavar="SERVER",
        help=f"of {known}; also with flags: 'mirage --log-level error'; default: all there are",
    )
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="rows; plots go beside it")
    parser.add_argument("--plot", type=Path, metavar="FILE.jsonl", help="rows to draw, no more")
    add_options(parser)
    options = parser.parse_args()
    options.servers = options.servers or [BARE, *installed(options)]
    for server in options.servers:
        name, _, flags = server.partition(" ")
        if name not in (BARE, *SERVICES, *PEERS) or (flags and name not in SERVICES):
            parser.error(f"there is no server {server!r}; of {known}")
    if options.to:
        options.to.write_text("")
    return options


if __name__ == "__main__":
    main()
