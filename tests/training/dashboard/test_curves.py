import math

from mirage.training.dashboard.curves import MAX_POINTS, curve_charts
from mirage.training.report.charts import Chart, Series, charts_of


def test_has_the_recorded_statistics_with_their_meaning() -> None:
    lines = [{"nimg": 1000 * i, "d_loss": i / 3, "g_loss": 2.0, "novelty": 1.0 * i} for i in (1, 2)]
    losses, novelty = curve_charts(charts_of(lines))
    assert (losses.title, novelty.title) == ("Losses", "novelty")
    assert losses.explanation
    assert [curve.name for curve in losses.curves] == ["discriminator", "generator"]
    assert losses.curves[0].x == [1, 2]
    assert losses.curves[0].y == [0.333333, 0.666667]


def test_averages_long_curves() -> None:
    count = 20 * MAX_POINTS
    (chart,) = curve_charts([Chart("", "", [Series("a", range(count), [1.0, 3.0] * (count // 2))])])
    (curve,) = chart.curves
    assert len(curve.x) == len(curve.y) == MAX_POINTS
    assert set(curve.y) == {2.0}
    assert curve.x[-1] == count - 1


def test_the_axes_cover_the_curves() -> None:
    (chart,) = curve_charts([Chart("", "", [Series("a", [3, 97], [0.2, 0.31])])])
    assert chart.x_ticks[0] <= 3
    assert chart.x_ticks[-1] >= 97
    assert chart.y_ticks[0] <= 0.2
    assert chart.y_ticks[-1] >= 0.31
    assert all(len(str(tick)) < 6 for tick in (*chart.x_ticks, *chart.y_ticks))


def test_omits_what_has_fewer_than_two_values() -> None:
    known, unknown = Series("a", [1, 2], [1.0, 2.0]), Series("b", [1, 2], [1.0, math.nan])
    (chart,) = curve_charts([Chart("", "", [known, unknown]), Chart("", "", [unknown])])
    assert [curve.name for curve in chart.curves] == ["a"]
