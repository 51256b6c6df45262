import json
from pathlib import Path

import pytest

from mirage.training.report.watch import read_watch, watched
from tests.training.report.pages import Page

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


def test_every_sign_has_a_chart_with_its_limits(tmp_path: Path) -> None:
    page = section(tmp_path, HEALTHY)
    assert page.open_tags == []
    assert page.tags.count("svg") == 2
    for words in ("Healthy", "Real from generated.", "Allowed: at most 4.", "at least 1."):
        assert words in page.text


def test_a_limit_far_from_the_curve_is_told_and_not_drawn(tmp_path: Path) -> None:
    margin, diversity = section(tmp_path, HEALTHY).html.split('<figure class="chart">')[1:]
    assert margin.count("<polyline") == 2
    assert diversity.count("<polyline") == 1


def test_an_alarm_tells_the_value_the_limit_and_what_to_change(tmp_path: Path) -> None:
    page = section(tmp_path, {**HEALTHY, "first_sign": ALARM})
    for words in (
        "Stopped after 12.0 kimg",
        "Pixel diversity was 0.25, the limit 1.",
        "The samples are one image. Raise <gamma>.",
    ):
        assert words in page.text


def test_a_value_that_is_no_number_is_told(tmp_path: Path) -> None:
    page = section(tmp_path, {"first_sign": {"sign": "d_loss", "nimg": 32, "value": None}})
    assert "D loss was no number." in page.text


@pytest.mark.parametrize("content", [[], {"signs": 3}, {"first_sign": {"nimg": "soon"}}])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, content: object) -> None:
    assert section(tmp_path, content).text == ""
    assert watched(read_watch(tmp_path / "none.json")) == ""
