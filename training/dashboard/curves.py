"""The curves of a run as JSON."""

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel

from mirage.training.report.charts import Chart, Series, axes

MAX_POINTS = 500


class Curve(BaseModel):
    """x: thousands of images seen, as many as y."""

    name: str
    x: list[float]
    y: list[float]


class CurveChart(BaseModel):
    """Curves with the tick values of their axes, beyond which outliers may lie."""

    title: str
    explanation: str
    x_ticks: list[float]
    y_ticks: list[float]
    curves: list[Curve]


def curve_charts(charts: Iterable[Chart]) -> list[CurveChart]:
    """The charts that have a curve, each with at most `MAX_POINTS` points."""
    return [
        _curve_chart(chart, series) for chart in charts if (series := chart.drawable(MAX_POINTS))
    ]


def _curve_chart(chart: Chart, series: list[Series]) -> CurveChart:
    x_axis, y_axis = axes(series)
    return CurveChart(
        title=chart.title,
        explanation=chart.explanation,
        x_ticks=_rounded(x_axis),
        y_ticks=_rounded(y_axis),
        curves=[Curve(name=s.name, x=_rounded(s.x), y=_rounded(s.y)) for s in series],
    )


def _rounded(values: Iterable[float] | np.ndarray) -> list[float]:
    """Six digits, which are more than a screen can show."""
    return [float(f"{value:.6g}") for value in values]
