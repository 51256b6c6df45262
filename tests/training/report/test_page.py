import pytest

from mirage.training.report.page import counted, duration, facts, page, pictures, section, table


def test_the_parts_of_a_page_are_joined_and_empty_ones_left_out() -> None:
    html = page("a < b", ["<p>one</p>", "", "<p>two</p>"])
    assert html.startswith("<!doctype html>")
    assert "<title>a &lt; b</title>" in html
    assert "<p>one</p>\n<p>two</p>" in html


def test_a_section_without_content_is_nothing() -> None:
    assert section("Title", "Words", "") == ""
    assert "<h2>Title</h2>" in section("Title", "Words", "<p></p>")


def test_what_people_wrote_is_escaped() -> None:
    for html in (table({"<k>": "<v>"}), facts({"<k>": "<v>"}), section("<k>", "<v>", " ")):
        assert "<k>" not in html
        assert "<v>" not in html


def test_small_images_keep_their_pixels() -> None:
    assert 'class="pictures small"' in pictures({"a": "<img>"}, side=28)
    assert 'class="pictures"' in pictures({"a": "<img>"}, side=256)
    assert pictures({"a": ""}, side=28) == ""


@pytest.mark.parametrize(
    ("number", "text"), [(812, "812"), (12_345, "12.3 thousand"), (1_450_016, "1.45 million")]
)
def test_numbers_are_written_for_people(number: int, text: str) -> None:
    assert counted(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45.2, "45 s"), (720, "12 min"), (5400, "1 h 30 min"), (7500, "2 h 05 min")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
