"""The page in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mirage.training.runs.run_dir import Run
from tests.browsers import (
    PHONE,
    WIDE,
    checked_pages,
    open_browser,
    read_axe,
    take_screenshot,
    violations,
)
from tests.training.dashboard.conftest import Serve
from tests.training.helpers.runs import COMMAND, report, trained_by_another, write_alarm, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]
SHOWN = "#grid[src]"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with open_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: "Browser", serve: Serve) -> Iterator[Open]:
    """A function that opens the page about a run; as of `checked_pages`."""
    with checked_pages(browser) as open_:

        def open_run(run: Run, **options: Any) -> "Page":
            page = open_(serve(run.path).url, **options)
            page.wait_for_selector("#main:not([hidden])")
            return page

        yield open_run


def test_follows_a_run_that_goes_on(tmp_path: Path, open_page: Open) -> None:
    run = write_run(tmp_path / "mine", kimg=8, reports=3)
    with trained_by_another(run):
        page = open_page(run)
        page.wait_for_selector(SHOWN)
        assert page.inner_text("#name") == "mine"
        assert page.inner_text("#status") == "Training"
        assert page.inner_text(".amount p") == "3 of 8 kimg"
        assert "python -m training train" in page.inner_text("#command")
        page.wait_for_selector("text=No sign of collapse")
        run.append_stats(report(4))
        run.save_grid(4000, np.full((4, 8, 8, 1), 200, np.uint8), 2)
        page.wait_for_selector('.amount:has-text("4 of 8 kimg")')
        page.wait_for_selector('#samples-at:has-text("4 kimg")')
        page.wait_for_selector('.chart:has-text("generator 6")')
    page.wait_for_selector("text=Stopped at 4 of 8 kimg")
    assert page.is_visible("text=It resumes at 3 kimg, its last checkpoint, with:")


def test_the_slider_shows_earlier_samples_and_stays_there(tmp_path: Path, open_page: Open) -> None:
    run = write_run(tmp_path, reports=3)
    page = open_page(run)
    page.wait_for_selector(SHOWN)
    page.focus("#slider")
    page.keyboard.press("Home")
    page.wait_for_selector('#grid[alt="Samples after 1 thousand images"]')
    assert page.get_attribute("#slider", "aria-valuetext") == "1 thousand images"
    run.append_stats(report(4))
    run.save_grid(4000, np.zeros((4, 8, 8, 1), np.uint8), 2)
    page.wait_for_selector('#slider[max="3"]')
    assert page.inner_text("#samples-at") == "1 kimg"
    page.click("#newest")
    page.wait_for_selector('#grid[alt="Samples after 4 thousand images"]')
    assert page.evaluate("document.getElementById('grid').naturalWidth") == 16


RECORD = """() => {
  const shown = document.getElementById("samples-at");
  window.shown = [];
  const record = () => window.shown.push(shown.textContent);
  new MutationObserver(record).observe(shown, { childList: true });
}"""


def test_plays_the_samples_to_the_newest(tmp_path: Path, open_page: Open) -> None:
    page = open_page(write_run(tmp_path, reports=3))
    page.wait_for_selector(SHOWN)
    page.evaluate(RECORD)
    page.click("#play")
    page.wait_for_selector('#play[aria-pressed="false"]')
    assert page.evaluate("window.shown") == ["1 kimg", "2 kimg", "3 kimg"]


def test_arrow_keys_move_the_cursor_through_all_curves(tmp_path: Path, open_page: Open) -> None:
    page = open_page(write_run(tmp_path, reports=3))
    page.wait_for_selector('.chart:has-text("generator 5")')
    page.focus("#curves")
    page.keyboard.press("Home")
    page.wait_for_selector('.chart:has-text("generator 3")')
    assert page.inner_text("#cursor") == "Values at 0 kimg"
    page.keyboard.press("Escape")
    page.wait_for_selector('.chart:has-text("generator 5")')


def test_tells_why_the_watchdog_stopped_a_run(tmp_path: Path, open_page: Open) -> None:
    run = write_run(tmp_path, reports=3)
    write_alarm(run)
    page = open_page(run)
    assert "Spread was 0.05, the limit 0.1. Raise it." in page.inner_text("#notices")
    assert page.inner_text("#verdict") == "Stopped the run"


def test_copies_the_command(tmp_path: Path, open_page: Open) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    page = open_page(write_run(tmp_path, reports=1), permissions=allowed)
    page.click("button:text('Copy')")
    page.wait_for_selector("button:text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == str(COMMAND)


def test_tells_that_the_connection_is_lost_and_goes_on_after_it(
    tmp_path: Path, open_page: Open
) -> None:
    run = write_run(tmp_path, reports=1)
    page = open_page(run, expected="ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    page.wait_for_selector("#heard:has-text('No connection')")
    run.append_stats(report(2))
    page.context.set_offline(False)
    page.wait_for_selector("#heard", state="hidden")
    page.wait_for_selector("text=Stopped at 2 of 4 kimg")


def test_waits_for_a_run_that_has_not_begun(tmp_path: Path, open_page: Open) -> None:
    page = open_page(Run(tmp_path / "later"))
    assert page.inner_text("#notices h2") == "This run has not begun"
    write_run(tmp_path / "later", kimg=2, reports=2)
    page.wait_for_selector("text=Finished")
    page.wait_for_selector(SHOWN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_hinders_people(
    tmp_path: Path, open_page: Open, scheme: str, size: dict[str, int]
) -> None:
    axe = read_axe()
    run = write_run(tmp_path, kimg=8, reports=3, warm_start_kimg=2)
    page = open_page(run, color_scheme=scheme, viewport=size)
    page.wait_for_selector(SHOWN)
    page.wait_for_selector(".chart")
    take_screenshot(page, f"watch-{scheme}-{size['width']}")
    assert violations(page, axe) == []


def test_a_phone_shows_the_page_without_scrolling_sideways(tmp_path: Path, open_page: Open) -> None:
    page = open_page(write_run(tmp_path, reports=3), viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector(SHOWN)
    page.wait_for_selector(".chart")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
