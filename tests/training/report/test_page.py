import pytest

from mirage.training.report.page import counted, duration, facts, page, pictures, section, table


def test_a_page_joins_its_parts_and_omits_empty_ones() -> None:
    html = page("a < b", ["<p>one</p>", "", "<p>two</p>"])
    assert html.startswith("<!doctype html>")
    assert "<title>a &lt; b</title>" in html
    assert "<p>one</p>\n<p>two</p>" in html


def test_a_section_without_content_is_empty() -> None:
    assert section("Title", "Words", "") == ""
    assert "<h2>Title</h2>" in section("Title", "Words", "<p></p>")


def test_escapes_text() -> None:
    for html in (table({"<k>": "<v>"}), facts({"<k>": "<v>"}), section("<k>", "<v>", " ")):
        assert "<k>" not in html
        assert "<v>" not in html


def test_small_images_are_not_smoothed() -> None:
    assert 'class="pictures small"' in pictures({"a": "<img>"}, side=28)
    assert 'class="pictures"' in pictures({"a": "<img>"}, side=256)
    assert pictures({"a": ""}, side=28) == ""


@pytest.mark.parametrize(
    ("number", "text"), [(812, "812"), (12_345, "12.3 thousand"), (1_450_016, "1.45 million")]
)
def test_formats_counts(number: int, text: str) -> None:
    assert counted(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45.2, "45 s"), (720, "12 min"), (5400, "1 h 30 min"), (7500, "2 h 05 min")],
)
def test_formats_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
