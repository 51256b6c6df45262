"""Line charts as inline SVG: statistics of a run, and signals of the watchdog."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from mirage.training.runs.monitor import is_within

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 22
MAX_POINTS = 240
COLOURS = ("var(--ink-1)", "var(--ink-2)", "var(--ink-3)")


@dataclass(frozen=True)
class Series:
    """A named curve; x (kimg) and y have the same length."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Chart:
    """Curves with one pair of axes."""

    title: str
    explanation: str
    series: Sequence[Series]

    def drawable(self, points: int) -> list[Series]:
        """The series that have at least two finite values, averaged to at most `points` each."""
        return [
            series for series in (_thinned(s, points) for s in self.series) if len(series.x) > 1
        ]


def axes(series: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """Round tick values of both axes for drawable series; outliers may lie outside of them."""
    values = np.concatenate([s.y for s in series])
    return _ticks(0.0, max(float(s.x[-1]) for s in series), 4), _ticks(*_robust_range(values), 3)


def line_chart(title: str, explanation: str, series: Sequence[Series]) -> str:
    """A chart as an HTML figure; omits non-finite values. Empty with fewer than two values."""
    curves = Chart(title, explanation, series).drawable(MAX_POINTS)
    if not curves:
        return ""
    x_axis, y_axis = axes(curves)
    inner = [*_grid(x_axis, y_axis)]
    for colour, curve in zip(COLOURS, curves, strict=False):
        inner.append(_path(curve, x_axis, y_axis, colour))
    names = [curve.name for curve in curves]
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


def _thinned(series: Series, points: int) -> Series:
    """Average the finite values to at most so many points, which also reduces noise."""
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) > points:
        parts = np.array_split(np.arange(len(x)), points)
        x, y = np.array([x[p[-1]] for p in parts]), np.array([y[p].mean() for p in parts])
    return Series(series.name, x, y)


def _robust_range(values: np.ndarray) -> tuple[float, float]:
    """The range of values, clipped to half its width beyond the 1 % and 99 % quantiles."""
    low, high = np.quantile(values, (0.01, 0.99))
    least, greatest = values.min(), values.max()
    room = 0.5 * (high - low)
    low, high = max(least, low - room), min(greatest, high + room)
    if low >= 0 and low < 0.3 * high:
        low = 0.0
    return float(low), float(high)


def _ticks(low: float, high: float, count: int) -> np.ndarray:
    """Round tick values that cover `low` to `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return np.arange(first, last + 1) * step


def _scale(values: np.ndarray, axis: np.ndarray, start: float, end: float) -> np.ndarray:
    """Map values on an axis to coordinates between `start` and `end`."""
    return start + (values - axis[0]) / (axis[-1] - axis[0]) * (end - start)


def _grid(x_axis: np.ndarray, y_axis: np.ndarray) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick, y in zip(y_axis, _scale(y_axis, y_axis, bottom, TOP), strict=True):
        parts.append(f'<path class="rule" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:.4g}</text>')
    for tick, x in zip(x_axis, _scale(x_axis, x_axis, LEFT, right), strict=True):
        anchor = "end" if tick == x_axis[-1] else "middle"
        label = f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{tick:g}</text>'
        parts.append(label)
    return parts


def _path(curve: Series, x_axis: np.ndarray, y_axis: np.ndarray, colour: str) -> str:
    across = _scale(np.asarray(curve.x), x_axis, LEFT, WIDTH - RIGHT)
    up = np.clip(_scale(np.asarray(curve.y), y_axis, HEIGHT - BOTTOM, TOP), TOP, HEIGHT - BOTTOM)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    return f'<polyline class="line" points="{points}" style="stroke:{colour}"/>'


Lines = Sequence[dict[str, Any]]

CHARTS = (
    (
        "Losses",
        {"d_loss": "discriminator", "g_loss": "generator"},
        "Both are stable while the networks are balanced.",
    ),
    (
        "Margin",
        {"margin": "margin"},
        "How confidently the discriminator separates real from generated images. A fall is "
        "progress, a steep rise a warning.",
    ),
    (
        "Gradient penalties",
        {"r1": "R1, real images", "r2": "R2, generated images"},
        "Similar values indicate balanced training.",
    ),
    (
        "Gradient norms",
        {"d_gradient": "discriminator", "g_gradient": "generator", "w_gradient": "warm start"},
        "A steep rise precedes divergence.",
    ),
    (
        "Diversity",
        {"spread": "spread", "entropy": "entropy"},
        "Of the samples, relative to real images: near 1 they vary as much as the data.",
    ),
    (
        "Warm start",
        {"reconstruction": "reconstruction loss"},
        "Distance of reconstructed to real images, before adversarial training.",
    ),
    (
        "Certainty",
        {"certainty": "certainty"},
        "How surely the discriminator recognises real images, in -1 ... 1; near 1 it overfits.",
    ),
    ("Augmentation", {"augment_probability": "probability"}, "Of each augmentation."),
    (
        "Content",
        {"content": "content loss"},
        "Distance to the original pictures. It rises slightly when adversarial training starts.",
    ),
    (
        "Fidelity",
        {"psnr": "PSNR in dB"},
        "Of the luma of held-out pictures, those of the sample grid.",
    ),
    (
        "Gain",
        {"gain": "dB above bicubic"},
        "PSNR gain over bicubic interpolation.",
    ),
    ("Adversarial weight", {"adversarial_ratio": "adversarial ratio"}, "As configured."),
    ("Learning rate", {"lr": "learning rate"}, "As configured."),
    ("Penalty weight", {"gamma": "gamma"}, "As configured."),
    (
        "Averaging",
        {"ema_half_life_kimg": "half-life"},
        "Half-life of the generator's exponential moving average, in kimg.",
    ),
    ("Second moment", {"beta2": "beta 2"}, "Of the optimizers, as configured."),
    ("Speed", {"kimg_per_s": "kimg/s"}, "Thousands of images per second."),
)
KNOWN = {key for _, keys, _ in CHARTS for key in keys} | {"nimg"}


def charts(lines: Lines) -> str:
    """Charts of all recorded statistics; unknown ones are titled with their key."""
    return drawn(charts_of(lines))


def drawn(charts: Iterable[Chart]) -> str:
    """Charts side by side; empty if none can be drawn."""
    figures = "".join(line_chart(c.title, c.explanation, c.series) for c in charts)
    return f'<div class="charts">{figures}</div>' if figures else ""


def charts_of(lines: Lines) -> list[Chart]:
    """The charts of all recorded statistics; unknown ones are titled with their key."""
    charts = [_chart(lines, *chart) for chart in CHARTS]
    return charts + [_chart(lines, key, {key: key}, "") for key in _others(lines)]


def _others(lines: Lines) -> list[str]:
    numbers = {k for line in lines for k, v in line.items() if isinstance(v, int | float)}
    return sorted(numbers - KNOWN)


def _chart(lines: Lines, title: str, keys: dict[str, str], explanation: str) -> Chart:
    return Chart(title, explanation, [_series(lines, key, name) for key, name in keys.items()])


def _series(lines: Lines, key: str, name: str) -> Series:
    having = [line for line in lines if isinstance(line.get(key), int | float)]
    return Series(name, [line["nimg"] / 1000 for line in having], [line[key] for line in having])


class Sign(BaseModel):
    """A signal: its explanation, its limits, and pairs of (images seen, value)."""

    text: str = ""
    least: float | None = None
    most: float | None = None
    seen: list[tuple[int, float | None]] = []

    @property
    def is_beyond(self) -> bool:
        """Whether the last value is beyond a limit, however short the training was."""
        value = self.seen[-1][1] if self.seen else None
        return bool(self.seen) and not (
            value is not None and is_within(value, self.least, self.most)
        )


class Alarm(BaseModel):
    """The first signal beyond its limits, and advice."""

    sign: str
    nimg: int
    value: float | None = None
    threshold: float | None = None
    text: str = ""
    advice: str = ""


class Watch(BaseModel):
    """The content of `watchdog.json`; missing fields are empty."""

    first_sign: Alarm | None = None
    signs: dict[str, Sign] = {}


def read_watch(path: Path) -> Watch | None:
    """Read `watchdog.json`; None if it is missing or invalid."""
    try:
        return Watch.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None


def watched(watch: Watch | None) -> str:
    """The alarm, if there was one, and a chart of each signal; empty without a watchdog."""
    if not watch:
        return ""
    charts = "".join(_sign_chart(name, sign) for name, sign in watch.signs.items())
    return _alarm(watch) + (f'<div class="charts">{charts}</div>' if charts else "")


def _alarm(watch: Watch) -> str:
    alarm = watch.first_sign
    if not alarm:
        return _unalarmed([_name(name) for name, sign in watch.signs.items() if sign.is_beyond])
    return (
        f'<p class="banner broken"><b>Stopped after {alarm.nimg / 1000:,.1f} kimg</b>'
        f"<span>{escape(' '.join(_sentences(alarm)))}</span></p>"
    )


def _unalarmed(beyond: Sequence[str]) -> str:
    """The state of a run that was not stopped, which says nothing about single images."""
    if beyond:
        text = "Training went on: these did not last, or it is too early to stop for them."
        return (
            f'<p class="banner broken"><b>Beyond a limit: {escape(", ".join(beyond))}</b>'
            f"<span>{text}</span></p>"
        )
    return (
        '<p class="banner"><b>No sign of collapse</b><span>All signals are within limits. Only the '
        "scores say whether the images are good.</span></p>"
    )


def _sentences(alarm: Alarm) -> Iterator[str]:
    limit = "" if alarm.threshold is None else f", the limit {alarm.threshold:.4g}"
    value = "not a number" if alarm.value is None else f"{alarm.value:.4g}"
    yield f"{_name(alarm.sign).capitalize()} was {value}{limit}."
    yield alarm.text
    yield alarm.advice


def _sign_chart(name: str, sign: Sign) -> str:
    known = [(nimg / 1000, value) for nimg, value in sign.seen if value is not None]
    kimg, values = [x for x, _ in known], [y for _, y in known]
    limits = {"at least": sign.least, "at most": sign.most}
    bounds = [f"{words} {limit:g}" for words, limit in limits.items() if limit is not None]
    drawn = [
        Series(words, [kimg[0], kimg[-1]], [limit, limit])
        for words, limit in limits.items()
        if limit is not None and kimg and _near(limit, values)
    ]
    allowed = f"Allowed: {', '.join(bounds)}." if bounds else ""
    explanation = f"{sign.text} {allowed}".strip()
    return line_chart(_name(name).capitalize(), explanation, [Series("seen", kimg, values), *drawn])


def _near(limit: float, values: list[float]) -> bool:
    """Whether a line at the limit fits in the chart without flattening the curve."""
    low, high = min(values), max(values)
    room = 2 * max(high - low, abs(high) / 4)
    return low - room <= limit <= high + room


def _name(sign: str) -> str:
    return sign.replace("_", " ")
