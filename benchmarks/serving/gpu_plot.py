"""Plots of the GPU benchmark."""

from pathlib import Path
from typing import Any

from .summary import Row

COLOURS = {"float32": "#999999", "tensorfloat32": "#E69F00", "float16": "#0072B2"}
SERVED = {1: "#009E73", 16: "#D55E00"}  # by images per request


def plot_gpu(rows: list[Row], to: Path) -> None:
    """A panel for each model: images per second by batch size, and served."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(4.4 * len(models) + 2.6, 4.8), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for model, axes in zip(models, panels, strict=True):
        draw_model(axes, [row for row in rows if row["model"] == model])
        axes.set(title=model, xlabel="images in a batch", xscale="log", yscale="log")
        axes.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("images per second")
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", frameon=False)
    figure.savefig(to.with_suffix(".png"), dpi=120)


def draw_model(axes: Any, rows: list[Row]) -> None:
    """Draw lines for the engine, crosses for the compiler, and levels for the service."""
    for precision, colour in COLOURS.items():
        for recorded, style in ((True, "o-"), (False, "o:")):
            label = f"{precision}, {'CUDA graphs' if recorded else 'without'}"
            draw(axes, label, style, colour, rows, precision=precision, recorded=recorded)
        draw(
            axes,
            f"torch.compile, {precision}",
            "x",
            colour,
            rows,
            part="compiled",
            precision=precision,
        )
    for images, colour in SERVED.items():
        rates = [
            row["images_s"] for row in rows if row.get("images") == images and "images_s" in row
        ]
        if rates:
            label = f"served at most, {images} a request"
            axes.axhline(max(rates), color=colour, linestyle="--", label=label)


def draw(axes: Any, label: str, style: str, colour: str, rows: list[Row], **wanted: Any) -> None:
    """The matching rows by batch size."""
    chosen = [row for row in rows if all(row.get(name) == it for name, it in wanted.items())]
    if points := sorted((row["batch"], row["images_s"]) for row in chosen):
        axes.plot(*zip(*points, strict=True), style, color=colour, label=label, markersize=5)
