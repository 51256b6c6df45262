"""Measures the service's processor time per request by stage, under load.

64 clients request one image each while py-spy samples all running threads. The processor time of
each thread, counted by the kernel, is distributed over its samples and divided by the number of
images. Sampling slows the service down by some percent.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from generators import make_models
from serving.plots import draw
from serving.processes import cpu_s_of_threads
from serving.servers import Server, add_options, body_of, load_cold, running
from serving.stages import STAGES, spent_by_stage

CLIENTS = 64
SAMPLES_S = 200

Row = dict[str, Any]


def main() -> None:
    options = _options()
    for tool in ("wrk", "py-spy"):
        if which(tool) is None:
            print(json.dumps({"left_out": f"{tool} is not installed"}))
            return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        graphs = make_models(Path(folder))
        for name in options.models:
            with running("mirage", graphs[name], options) as server:
                row = {"model": name, **measure(server, body_of(graphs[name], 1), options.seconds)}
            print(table(row))
            rows.append(row)
    if options.to:
        options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        draw(plot, rows, options.to.with_suffix(".png"))
    print(json.dumps({"models": rows}))


def measure(server: Server, body: Path, seconds: int) -> Row:
    """Samples and processor time during one load."""
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks"
        load_cold(body, 1, CLIENTS, 2, server.port)
        spy = start_spy(server.pid, stacks, seconds)
        before = cpu_s_of_threads(server.pid)
        found = load_cold(body, 1, CLIENTS, seconds, server.port)
        after = cpu_s_of_threads(server.pid)
        if spy.wait():
            raise SystemExit(f"py-spy ended with {spy.returncode}")
        cpu_s = {thread: after[thread] - before.get(thread, 0.0) for thread in after}
        spent = spent_by_stage(stacks.read_text().splitlines(), cpu_s)
    images = found["images_s"] * seconds
    total_s = sum(spent.values())
    return {
        **{name: found[name] for name in ("images_s", "p50_ms")},
        "cores_busy": round(total_s / seconds, 2),
        "us": round(1e6 * total_s / images, 1),
        "us_of": {stage: round(1e6 * part / images, 1) for stage, part in spent.items()},
    }


def start_spy(pid: int, stacks: Path, seconds: int) -> subprocess.Popen[bytes]:
    """Sample a process and its children with py-spy for the given seconds."""
    command = [which("py-spy") or "", "record", "--pid", str(pid), "--subprocesses"]
    command += [
        "--threads",
        "--format",
        "raw",
        "--rate",
        str(SAMPLES_S),
        "--duration",
        str(seconds),
    ]
    return subprocess.Popen(
        [*command, "--output", str(stacks)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def table(row: Row) -> str:
    """Share and microseconds per image of each stage, as lines of text."""
    head = f"{row['model']}: {row['us']:.0f} us of an image, {row['cores_busy']} cores busy"
    lines = [
        f"  {stage:25} {part:7.1f} us {100 * part / row['us']:5.1f} %"
        for stage, part in row["us_of"].items()
    ]
    return "\n".join([head, *lines])


def plot(rows: list[Row], path: Path) -> None:
    """Plot a stacked bar of the stages for each model."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.6 + 0.7 * len(rows)), layout="constrained")
    axes = figure.subplots()
    lefts = [0.0 for _ in rows]
    for number, stage in enumerate(STAGES):
        parts = [row["us_of"][stage] for row in rows]
        colour = colormaps["tab20"](2 * number % 20 + number // 10)
        bars = axes.barh(
            [row["model"] for row in rows], parts, left=lefts, label=stage, color=colour
        )
        labels = [
            f"{part:.0f}" if part > 0.03 * row["us"] else ""
            for part, row in zip(parts, rows, strict=True)
        ]
        axes.bar_label(bars, labels, label_type="center", color="w", fontsize=9)
        lefts = [left + part for left, part in zip(lefts, parts, strict=True)]
    axes.set_xlabel(f"microseconds of processor time for an image, {CLIENTS} clients")
    axes.invert_yaxis()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside upper center", ncols=5, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)


def which(tool: str) -> str | None:
    """The path of a program: on PATH, or next to this Python."""
    return shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["mnist", "rgb32"])
    parser.add_argument("--seconds", type=int, default=15, help="of each load")
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="rows; a plot goes beside it")
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
