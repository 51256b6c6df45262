"""Line charts as inline SVG: one curve per series over thousands of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 22
MOST_POINTS = 240
COLOURS = ("var(--ink-1)", "var(--ink-2)", "var(--ink-3)")


@dataclass(frozen=True)
class Series:
    """One curve: a name, and equally many x (kimg) and y."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def line_chart(title: str, explanation: str, series: Sequence[Series]) -> str:
    """An HTML figure; values that are no numbers are left out. Empty when nothing can be drawn."""
    curves = [(s.name, *_thinned(s)) for s in series]
    curves = [curve for curve in curves if len(curve[1]) > 1]
    if not curves:
        return ""
    x_axis = _ticks(0.0, max(float(x[-1]) for _, x, _ in curves), 4)
    values = np.concatenate([y for _, _, y in curves])
    y_axis = _ticks(*_robust_range(values), 3)
    inner = [*_grid(x_axis, y_axis)]
    for colour, (_, x, y) in zip(COLOURS, curves, strict=False):
        inner.append(_path(x, y, x_axis, y_axis, colour))
    names = [name for name, _, _ in curves]
    keys = "".join(
        f'<span class="key" style="--c:{colour}">{escape(name)}</span>'
        for colour, name in zip(COLOURS, names, strict=False)
        if len(names) > 1
    )
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b>{keys}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(inner)}</svg><p>{escape(explanation)}</p></figure>"
    )


def _thinned(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Means of as many equal stretches as fit, so that noise does not hide the course."""
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) <= MOST_POINTS:
        return x, y
    parts = np.array_split(np.arange(len(x)), MOST_POINTS)
    return np.array([x[p[-1]] for p in parts]), np.array([y[p].mean() for p in parts])


def _robust_range(values: np.ndarray) -> tuple[float, float]:
    """From the least to the greatest value, without the outermost hundredth when it is far off."""
    low, high = np.quantile(values, (0.01, 0.99))
    least, greatest = values.min(), values.max()
    room = 0.5 * (high - low)
    low, high = max(least, low - room), min(greatest, high + room)
    if low >= 0 and low < 0.3 * high:
        low = 0.0
    return float(low), float(high)


def _ticks(low: float, high: float, count: int) -> np.ndarray:
    """Round numbers from at most `low` to at least `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return np.arange(first, last + 1) * step


def _place(values: np.ndarray, axis: np.ndarray, start: float, end: float) -> np.ndarray:
    return start + (values - axis[0]) / (axis[-1] - axis[0]) * (end - start)


def _grid(x_axis: np.ndarray, y_axis: np.ndarray) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick, y in zip(y_axis, _place(y_axis, y_axis, bottom, TOP), strict=True):
        parts.append(f'<path class="rule" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:.4g}</text>')
    for tick, x in zip(x_axis, _place(x_axis, x_axis, LEFT, right), strict=True):
        anchor = "end" if tick == x_axis[-1] else "middle"
        label = f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{tick:g}</text>'
        parts.append(label)
    return parts


def _path(x: np.ndarray, y: np.ndarray, x_axis: np.ndarray, y_axis: np.ndarray, colour: str) -> str:
    across = _place(x, x_axis, LEFT, WIDTH - RIGHT)
    up = np.clip(_place(y, y_axis, HEIGHT - BOTTOM, TOP), TOP, HEIGHT - BOTTOM)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    return f'<polyline class="line" points="{points}" style="stroke:{colour}"/>'
