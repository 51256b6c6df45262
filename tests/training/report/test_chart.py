import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from mirage.training.report.chart import HEIGHT, WIDTH, Series, line_chart


def points(html: str) -> list[tuple[float, float]]:
    (text,) = re.findall(r'points="([^"]*)"', html)
    return [tuple(map(float, pair.split(","))) for pair in text.split()]  # type: ignore[misc]


def test_a_rising_curve_rises_from_left_to_right() -> None:
    drawn = points(line_chart("Title", "Meaning.", [Series("a", [0, 5, 10], [1, 2, 3])]))
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    assert [y for _, y in drawn] == sorted((y for _, y in drawn), reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)


def test_is_well_formed_and_names_its_series_when_there_are_several() -> None:
    html = line_chart("A < B", "Meaning.", [Series(n, [0, 1], [1, 2]) for n in ("one", "two")])
    root = ElementTree.fromstring(html)
    assert root.find("figcaption/b").text == "A < B"  # type: ignore[union-attr]
    assert [key.text for key in root.iter("span")] == ["one", "two"]


def test_long_series_are_drawn_as_means() -> None:
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
def test_what_has_fewer_than_two_values_is_not_drawn(values: list[float]) -> None:
    assert line_chart("", "", [Series("a", list(range(len(values))), values)]) == ""


@pytest.mark.parametrize("value", [0.0, 0.9, -3.0])
def test_a_constant_is_a_level_line(value: float) -> None:
    heights = {y for _, y in points(line_chart("", "", [Series("a", [0, 1, 2], [value] * 3)]))}
    assert len(heights) == 1
