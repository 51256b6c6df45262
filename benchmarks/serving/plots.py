"""Plots of the serving benchmarks; matplotlib is in the extra `bench`."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .summary import BARE, SERVICE, Key, Row, bare_us, medians

Axes = Any  # matplotlib is an optional dependency
COLOURS = {  # the colour-blind safe palette of Okabe and Ito
    "naive": "#999999",
    "litserve": "#E69F00",
    "mosec": "#D55E00",
    "bentoml": "#CC79A7",
    "ray": "#009E73",
}
VARIANTS = ("#0072B2", "#56B4E9", "#332288", "#44AA99")  # of the service
HOLLOW = "with errors"


def draw(plot: Callable[..., None], *arguments: Any) -> None:
    """Draw the plots; prints a note if matplotlib is missing."""
    try:
        plot(*arguments)
    except ImportError:
        print("no plots: matplotlib, the extra `bench`, is not installed", file=sys.stderr)


def plot_throughput(rows: list[Row], to: Path) -> None:
    """Draw `STEM_MODEL.png` for each model and `STEM_cost.png`, next to `to`."""
    for model in unique(row["model"] for row in rows):
        of_model = [row for row in rows if row["model"] == model]
        plot_model(model, of_model, to.with_name(f"{to.stem}_{model}.png"))
    plot_cost(rows, to.with_name(f"{to.stem}_cost.png"))


def plot_model(model: str, rows: list[Row], path: Path) -> None:
    """Rate and median time against clients of every server, for each number of images."""
    from matplotlib.figure import Figure

    table = medians(rows)
    counts = sorted({images for _, _, images, _ in table if images})
    if not counts:
        return
    figure = Figure(figsize=(4.6 * len(counts) + 2.2, 7.6), layout="constrained")
    panels = figure.subplots(2, len(counts), sharex=True, sharey="row", squeeze=False)
    for images, (rate, time) in zip(counts, panels.T, strict=True):
        draw_servers(rate, table, images, "images_s")
        draw_servers(time, table, images, "p50_ms")
        bare = table.get((model, BARE, 0, 0), {})
        level(rate, bare.get("images_s"), "bare loop, engine only", "--")
        level(time, bare.get("call_ms") if images == 1 else None, "bare call, with its PNG", ":")
        rate.set_title(f"{images} image{'s' * (images > 1)} a request")
        time.set_xlabel("clients")
    panels[0][0].set_ylabel("images per second")
    panels[1][0].set_ylabel("median time of a request, ms")
    rounds = len({row["round"] for row in rows})
    about = f"medians of up to {rounds} rounds" if rounds > 1 else "one round"
    figure.suptitle(f"{model}: {about}")
    lines = {line.get_label(): line for axes in panels.flat for line in axes.get_lines()}
    labels = sorted(lines, key=HOLLOW.__eq__)  # hollow marks last
    handles = [lines[label] for label in labels]
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120)


def draw_servers(axes: Axes, table: dict[Key, Row], images: int, field: str) -> None:
    """Draw a line for each server, with hollow marks where requests failed."""
    for server, colour in colours_of(table).items():
        points = {
            key[3]: values
            for key, values in sorted(table.items(), key=lambda item: item[0][3])
            if key[1:3] == (server, images) and values.get(field)
        }
        draw_line(axes, server, {at: values[field] for at, values in points.items()}, colour)
        failed = [(at, values[field]) for at, values in points.items() if "error" in values]
        if failed:
            style = {"markersize": 7, "markerfacecolor": "w", "markeredgecolor": "k", "zorder": 4}
            axes.plot(*zip(*failed, strict=True), "o", label=HOLLOW, **style)
    axes.set(xscale="log", yscale="log")
    tick(axes, clients_of(table))


def draw_line(axes: Axes, server: str, points: dict[int, float], colour: str) -> None:
    ours = server.startswith(SERVICE)
    style = {"color": colour, "linewidth": 2.4 if ours else 1.3, "zorder": 3 if ours else 2}
    if points:
        axes.plot(*zip(*points.items(), strict=True), "o-", markersize=4, label=server, **style)


def colours_of(table: Iterable[Key]) -> dict[str, str]:
    """A colour for each server except the bare loop."""
    servers = unique(server for _, server, _, _ in table if server != BARE)
    variants = iter(VARIANTS * len(servers))
    return {server: COLOURS.get(server) or next(variants) for server in servers}


def clients_of(table: Iterable[Key]) -> list[int]:
    return sorted({at for *_, at in table if at})


def tick(axes: Axes, values: list[int]) -> None:
    """Set the given x ticks, y ticks at 1, 2 and 5 of each power of ten, and a light grid."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xticks(values, [str(value) for value in values])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.tick_params(labelbottom=True, labelleft=True)
    axes.grid(alpha=0.3, which="both", linewidth=0.6)


def level(axes: Axes, value: float | None, label: str, style: str) -> None:
    """Draw a horizontal line for the bare loop, if measured."""
    if value:
        axes.axhline(value, color="k", linestyle=style, linewidth=1.2, label=label, zorder=1)


def plot_cost(rows: list[Row], path: Path) -> None:
    """Draw the time per image against clients, batch size and resolution."""
    from matplotlib.figure import Figure

    bare = {model: bare_us(rows, model) for model in unique(row["model"] for row in rows)}
    bare = {model: times for model, times in bare.items() if times}
    if not bare:
        return
    figure = Figure(figsize=(12.5, 4), layout="constrained")
    clients, batch, side = figure.subplots(1, 3, sharey=True)
    draw_clients(clients, medians(rows))
    for model, times in bare.items():
        batch.plot(list(times), list(times.values()), marker="o", ms=4, label=model)
    batch.set(title="bare loop, one core", xlabel="images in a batch", xscale="log", yscale="log")
    tick(batch, sorted({size for times in bare.values() for size in times}))
    draw_sides(side, bare, {row["model"]: row["side"] for row in rows if "side" in row})
    clients.set_ylabel("microseconds of an image")
    batch.legend(frameon=False)
    side.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)


def draw_clients(axes: Axes, table: dict[Key, Row]) -> None:
    """The time per image of the service, by model."""
    axes.set(title="the service, all cores", xlabel="clients, one image a request")
    axes.set(xscale="log", yscale="log")
    for model in unique(model for model, *_ in table):
        rates = {
            key[3]: values["images_s"]
            for key, values in sorted(table.items())
            if key[:3] == (model, SERVICE, 1) and values.get("images_s")
        }
        axes.plot(list(rates), [1e6 / rate for rate in rates.values()], marker="o", ms=4)
    tick(axes, clients_of(table))


def draw_sides(axes: Axes, bare: dict[str, dict[int, float]], sides: dict[str, int]) -> None:
    """The time per image of the bare loop against its side, for batch 1 and the best batch."""
    models = sorted(bare, key=sides.__getitem__)
    at = [sides[model] for model in models]
    for label, times in {
        "batch of one": [bare[model][1] for model in models],
        "best batch": [min(bare[model].values()) for model in models],
    }.items():
        axes.plot(at, times, marker="o", ms=4, label=label)
    axes.set(title="bare loop, one core", xlabel=f"side in pixels: {', '.join(models)}")
    axes.set(xscale="log", yscale="log")
    tick(axes, [2**power for power in range(5, 11) if 2**power <= max(at)])


def unique(values: Iterable[str]) -> list[str]:
    """Unique items in order of first occurrence."""
    return list(dict.fromkeys(values))
