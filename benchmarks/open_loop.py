"""Latency at fixed shares of capacity, where requests come when they come, and overload.

Capacity is what 64 clients that ask again at once get first. Then a thousand connections and more,
each with exponential pauses, offer a share of that. Beside the load, single connections ask for an
image, for /healthz and for /metrics, and the memory of the service's processes is noted. All share
the cores.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from generators import make_models
from serving.plots import draw
from serving.processes import memory_mb
from serving.servers import BENCHMARKS, Server, add_options, body_of, load, running

SHARES = (0.25, 0.5, 0.8, 1.0, 2.0)
CLIENTS = 64
DEADLINE_MS = 1_000
THINK_S = 0.4  # the mean pause of a connection, long beside an answer: so answers set no pace
PROBE_S = 0.02
COSTLY_PROBE_S = 0.1  # to tell metrics is work

Row = dict[str, Any]
Answers = list[tuple[int, float]]  # status and seconds


def offer(port: int, body: Path, rate: float, seconds: float) -> "subprocess.Popen[str]":
    """Connections that together ask so often in a second."""
    connections = max(2, round(rate * THINK_S))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
    command += ["-s", str(BENCHMARKS / "peers/paced.lua"), f"http://127.0.0.1:{port}/generate"]
    environment = {
        **os.environ,
        "BENCH_BODY": str(body),
        "BENCH_THINK_MS": str(1000 * THINK_S),
        "BENCH_DEADLINE_MS": str(DEADLINE_MS),
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


async def probe(port: int, request: bytes, answers: Answers, pause_s: float) -> None:
    """Ask again and again on one connection until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        answers.append((int(head[9:12]), time.perf_counter() - began))
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        await asyncio.sleep(pause_s)


async def watch(port: int, body: bytes, seconds: float) -> dict[str, Answers]:
    """The answers to the probes."""
    post = "POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    post += f"x-deadline-ms: {DEADLINE_MS}\r\ncontent-length: {len(body)}\r\n\r\n"
    requests = {"images": post.encode() + body} | {
        path: f"GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for path in ("healthz", "metrics")
    }
    answers: dict[str, Answers] = {name: [] for name in requests}
    pauses = {"metrics": COSTLY_PROBE_S}
    probes = [
        asyncio.ensure_future(probe(port, request, answers[name], pauses.get(name, PROBE_S)))
        for name, request in requests.items()
    ]
    await asyncio.sleep(seconds)
    for each in probes:
        each.cancel()
    await asyncio.gather(*probes, return_exceptions=True)
    return answers


def measure(server: Server, body: Path, rate: float, seconds: float) -> Row:
    before = memory_mb(server.pid)
    wrk = offer(server.port, body, rate, seconds + 2)
    time.sleep(1)  # all connections are there
    probes = asyncio.run(watch(server.port, body.read_bytes(), seconds))
    found = json.loads(wrk.communicate()[0].strip().splitlines()[-1])
    made = found["answered"] - found["refused"]
    images = probes.pop("images")
    return {
        "offered_s": round(rate, 1),
        "answered_s": round(found["answered"] / found["seconds"], 1),
        "made_s": round(made / found["seconds"], 1),
        **{name: found[name] for name in ("lost", "p50_ms", "p99_ms", "p999_ms")},
        "probe_made_ms": centiles([took for status, took in images if status == 200]),
        "probe_refused_ms": centiles([took for status, took in images if status == 429]),
        "probe_others": sum(status not in (200, 429) for status, _ in images),
        **{f"{name}_ms": centiles([took for _, took in probes[name]]) for name in probes},
        "resident_mb": [before, memory_mb(server.pid)],
    }


def centiles(seconds: list[float]) -> dict[str, float]:
    if len(seconds) < 20:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(1000 * cuts[49], 2), "p99": round(1000 * cuts[98], 2), "n": len(seconds)}


def plot(rows: list[Row], path: Path) -> None:
    """Centiles of the answers against the share of capacity, a panel for each model."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(1 + 4 * len(models), 3.6), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)
    for model, axes in zip(models, panels[0], strict=True):
        of_model = [row for row in rows if row["model"] == model]
        shares = [row["share"] for row in of_model]
        for name, label in (("p50_ms", "p50"), ("p99_ms", "p99"), ("p999_ms", "p99.9")):
            axes.plot(shares, [row[name] for row in of_model], marker="o", ms=4, label=label)
        axes.set(title=model, xlabel="offered load, share of capacity", yscale="log")
        axes.grid(alpha=0.3, which="both")
    panels[0][0].set_ylabel("time of an answer, ms")
    panels[0][0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["mnist", "rgb32"])
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of capacity")
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="rows; a plot goes beside it")
    add_options(parser)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print(json.dumps({"left_out": "wrk is not installed"}))
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        graphs = make_models(Path(folder))
        for name in options.models:
            with running("mirage", graphs[name], options) as server:
                body = body_of(graphs[name], 1)
                capacity = load(body, 1, CLIENTS, options.seconds, server.port)["images_s"]
                for share in options.shares:
                    found = measure(server, body, share * capacity, options.seconds)
                    rows.append({"model": name, "capacity": capacity, "share": share, **found})
                    print(json.dumps(rows[-1]), file=sys.stderr)
    if options.to:
        options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        draw(plot, rows, options.to.with_suffix(".png"))
    print(json.dumps({"loads": rows}))


if __name__ == "__main__":
    main()
