import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mirage.training.report.charts import (
    HEIGHT,
    WIDTH,
    Series,
    charts,
    line_chart,
    read_watch,
    watched,
)
from tests.training.helpers.pages import Page


def points(html: str) -> list[tuple[float, float]]:
    (text,) = re.findall(r'points="([^"]*)"', html)
    return [tuple(map(float, pair.split(","))) for pair in text.split()]  # type: ignore[misc]


def test_a_rising_curve_rises_from_left_to_right() -> None:
    drawn = points(line_chart("Title", "Meaning.", [Series("a", [0, 5, 10], [1, 2, 3])]))
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    assert [y for _, y in drawn] == sorted((y for _, y in drawn), reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)


def test_is_well_formed_and_has_a_legend_for_several_series() -> None:
    html = line_chart("A < B", "Meaning.", [Series(n, [0, 1], [1, 2]) for n in ("one", "two")])
    root = ElementTree.fromstring(html)
    assert root.find("figcaption/b").text == "A < B"  # type: ignore[union-attr]
    assert [key.text for key in root.iter("span")] == ["one", "two"]


def test_averages_long_series() -> None:
    x = np.arange(10_000)
    drawn = points(line_chart("", "", [Series("a", x.tolist(), (x / 1000 + x % 2).tolist())]))
    assert len(drawn) <= 240
    heights = [y for _, y in drawn]
    assert heights == sorted(heights, reverse=True)


def test_one_outlier_does_not_flatten_the_curve() -> None:
    x = np.arange(200.0)
    y = np.sin(x / 20) + 2
    y[5] = 1e6
    heights = [height for _, height in points(line_chart("", "", [Series("a", x, y)]))]
    assert max(heights[10:]) - min(heights[10:]) > 0.3 * HEIGHT


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, math.nan, 3.0]])
def test_omits_a_series_with_fewer_than_two_values(values: list[float]) -> None:
    assert line_chart("", "", [Series("a", list(range(len(values))), values)]) == ""


@pytest.mark.parametrize("value", [0.0, 0.9, -3.0])
def test_draws_a_constant_as_a_horizontal_line(value: float) -> None:
    heights = {y for _, y in points(line_chart("", "", [Series("a", [0, 1, 2], [value] * 3)]))}
    assert len(heights) == 1


LINES = [
    {"nimg": 1000 * i, "d_loss": 1.0, "g_loss": 2.0, "kimg_per_s": 0.3, "novelty": 0.1 * i}
    for i in range(5)
]


def test_draws_only_recorded_statistics() -> None:
    html = charts(LINES)
    assert html.count("<svg") == 3
    assert "Losses" in html
    assert "Speed" in html
    assert "Margin" not in html


def test_titles_an_unknown_statistic_with_its_key() -> None:
    assert "<b>novelty</b>" in charts(LINES)


def test_lines_may_have_different_fields() -> None:
    lines = [*LINES, {"nimg": 9000, "d_loss": float("nan"), "note": "stopped"}]
    assert charts(lines).count("<svg") == 3


def test_no_statistics_give_no_charts() -> None:
    assert charts([]) == ""


HEALTHY = {
    "first_sign": None,
    "signs": {
        "margin": {"text": "Real from generated.", "most": 4.0, "seen": [[1000, 1.0], [2000, 3.0]]},
        "pixel_diversity": {"least": 1.0, "seen": [[1000, 900.0], [2000, None], [3000, 901.0]]},
    },
    "version": 2,
}
ALARM = {
    "sign": "pixel_diversity",
    "nimg": 12_000,
    "value": 0.25,
    "threshold": 1.0,
    "text": "The samples are one image.",
    "advice": "Raise <gamma>.",
}


def section(folder: Path, content: object) -> Page:
    path = folder / "watchdog.json"
    path.write_text(json.dumps(content))
    return Page(watched(read_watch(path)))


def test_every_signal_has_a_chart_with_its_limits(tmp_path: Path) -> None:
    page = section(tmp_path, HEALTHY)
    assert page.open_tags == []
    assert page.tags.count("svg") == 2
    told = ("No sign of collapse", "Real from generated.", "Allowed: at most 4.", "at least 1.")
    for words in told:
        assert words in page.text


def test_variety_below_its_limit_is_told_however_short_the_training_was(tmp_path: Path) -> None:
    spread = {"text": "Spread.", "least": 0.1, "seen": [[0, 0.0], [300, 0.02]]}
    page = section(tmp_path, {**HEALTHY, "signs": {**HEALTHY["signs"], "spread": spread}})
    assert "Beyond a limit: spread" in page.text
    assert "No sign of collapse" not in page.text


def test_does_not_draw_a_limit_far_from_the_curve(tmp_path: Path) -> None:
    margin, diversity = section(tmp_path, HEALTHY).html.split('<figure class="chart">')[1:]
    assert margin.count("<polyline") == 2
    assert diversity.count("<polyline") == 1


def test_an_alarm_shows_value_limit_and_advice(tmp_path: Path) -> None:
    page = section(tmp_path, {**HEALTHY, "first_sign": ALARM})
    for words in (
        "Stopped after 12.0 kimg",
        "Pixel diversity was 0.25, the limit 1.",
        "The samples are one image. Raise <gamma>.",
    ):
        assert words in page.text


def test_an_alarm_shows_a_value_that_is_not_a_number(tmp_path: Path) -> None:
    page = section(tmp_path, {"first_sign": {"sign": "d_loss", "nimg": 32, "value": None}})
    assert "D loss was not a number." in page.text


@pytest.mark.parametrize("content", [[], {"signs": 3}, {"first_sign": {"nimg": "soon"}}])
def test_ignores_an_invalid_file(tmp_path: Path, content: object) -> None:
    assert section(tmp_path, content).text == ""
    assert watched(read_watch(tmp_path / "none.json")) == ""
