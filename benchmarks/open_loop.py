"""Measures latency at fixed shares of capacity with random arrivals, and under overload.

Arrivals are a Poisson process. Capacity is the largest number of images per second with such
arrivals, searched at shares of the closed-loop rate of 64 clients. Then twice the capacity is
offered, while single connections request /healthz and /metrics. The memory of the service is
recorded. The load generator uses the same cores.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from generators import make_models
from serving.plots import draw
from serving.processes import memory_mb
from serving.servers import BENCHMARKS, Server, add_options, body_of, load, running

SHARES = (0.25, 0.5, 0.8, 1.0, 2.0)
SEARCHED = (0.6, 0.7, 0.8, 0.9, 1.0)  # of the closed-loop rate
CLIENTS = 64
DEADLINE_MS = 1_000
PROBE_S = 0.02
COSTLY_PROBE_S = 0.2  # /metrics takes work in all workers

Row = dict[str, Any]
Answers = list[tuple[int, float]]  # status and seconds


def offer(port: int, body: Path, rate: float, seconds: float) -> "subprocess.Popen[str]":
    """Arrivals with a mean rate per second."""
    program = str(BENCHMARKS / "serving/arrivals.py")
    command = [sys.executable, program, str(port), str(body)]
    command += [f"{rate:.1f}", f"{seconds:g}", str(DEADLINE_MS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcome(offered: "subprocess.Popen[str]", rate: float, seconds: float) -> Row:
    """Their results: responses and images per second, and latency."""
    found = json.loads(offered.communicate()[0])
    statuses = found["statuses"]
    return {
        "offered_s": round(rate, 1),
        "answered_s": round(sum(statuses.values()) / seconds, 1),
        "made_s": found["made_s"],
        "others": sum(count for status, count in statuses.items() if status not in ("200", "429")),
        "lost": found["lost"] + found["unsent"],
        **found["made"],
        "refused": found["refused"],
    }


def find_capacity(port: int, body: Path, closed: float, seconds: float) -> float:
    """The largest number of images per second at any offered rate."""
    made = []
    for share in SEARCHED:
        rate = share * closed
        made.append(outcome(offer(port, body, rate, seconds), rate, seconds)["made_s"])
    return float(max(made))


async def probe(port: int, request: bytes, answers: Answers, pause_s: float) -> None:
    """Send requests on one connection until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        answers.append((int(head[9:12]), time.perf_counter() - began))
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        await asyncio.sleep(pause_s)


async def watch(port: int, seconds: float) -> dict[str, Answers]:
    """The responses to the probes."""
    pauses = {"healthz": PROBE_S, "metrics": COSTLY_PROBE_S}
    answers: dict[str, Answers] = {name: [] for name in pauses}
    probes = [
        asyncio.ensure_future(
            probe(port, f"GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n".encode(), answers[name], pause)
        )
        for name, pause in pauses.items()
    ]
    await asyncio.sleep(seconds)
    for each in probes:
        each.cancel()
    await asyncio.gather(*probes, return_exceptions=True)
    return answers


def measure(server: Server, body: Path, rate: float, seconds: float) -> Row:
    """Measure a load."""
    before = memory_mb(server.pid)
    found = outcome(offer(server.port, body, rate, seconds), rate, seconds)
    return {**found, "resident_mb": [before, memory_mb(server.pid)]}


def probes_beside(server: Server, body: Path, rate: float, seconds: float) -> Row:
    """Measure probes during a load; they replace a part of it."""
    offered = offer(server.port, body, rate, seconds)
    time.sleep(1)  # the load has started
    probes = asyncio.run(watch(server.port, seconds))
    offered.communicate()
    return {
        f"{name}_ms": centiles([took for _, took in answers]) for name, answers in probes.items()
    }


def centiles(seconds: list[float]) -> dict[str, float]:
    if len(seconds) < 20:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(1000 * cuts[49], 2), "p99": round(1000 * cuts[98], 2), "n": len(seconds)}


def plot(rows: list[Row], path: Path) -> None:
    """Plot latency and images against offered load, one column per model."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(1 + 4 * len(models), 6.4), layout="constrained")
    panels = figure.subplots(2, len(models), sharex=True, sharey="row", squeeze=False)
    for model, (times, images) in zip(models, panels.T, strict=True):
        shares = list(dict.fromkeys(row["share"] for row in rows if row["model"] == model))
        for name, label in (("p50_ms", "p50"), ("p99_ms", "p99"), ("p999_ms", "p99.9")):
            found = [median_of(rows, model, share, name) for share in shares]
            times.plot(shares, found, marker="o", ms=4, label=label)
        times.set(title=model, yscale="log")
        made = [
            median_of(rows, model, share, "made_s") / median_of(rows, model, share, "capacity")
            for share in shares
        ]
        images.plot(shares, made, marker="o", ms=4, label="made")
        images.plot([0, 1, max(shares)], [0, 1, 1], "--", color="#999999", label="at best")
        images.set(xlabel="offered load, share of capacity", ylim=0)
        for axes in (times, images):
            axes.grid(alpha=0.3, which="both")
    for axes, label in zip(panels[:, 0], ("time, ms", "images, share of capacity"), strict=True):
        axes.set_ylabel(label)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def median_of(rows: list[Row], model: str, share: float, name: str) -> float:
    """The medians over the rounds of a load."""
    of_load = [row for row in rows if (row["model"], row["share"]) == (model, share)]
    return statistics.median(row.get(name, float("nan")) for row in of_load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["mnist", "rgb32", "rgb256"])
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of capacity")
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--rounds", type=int, default=1, help="through the shares")
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
                closed = load(body, 1, CLIENTS, options.seconds, server.port)["images_s"]
                capacity = find_capacity(server.port, body, closed, options.seconds / 2)
                for number, share in product(range(options.rounds), options.shares):
                    load_of = (server, body, share * capacity, options.seconds)
                    found = measure(*load_of) | (probes_beside(*load_of) if share > 1 else {})
                    known = {"model": name, "closed": closed, "capacity": capacity}
                    rows.append({**known, "round": number, "share": share, **found})
                    print(json.dumps(rows[-1]), file=sys.stderr)
    if options.to:
        options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        draw(plot, rows, options.to.with_suffix(".png"))
    print(json.dumps({"loads": rows}))


if __name__ == "__main__":
    main()
