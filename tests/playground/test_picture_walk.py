"""Walks that begin at a picture, in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.playground.conftest import PageOf
from tests.playground.test_picture_start import CAPTION, SHOWN, wait_for_picture
from tests.playground.test_views import link_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

WALK = "#walk .caption"
NAMES = "#walk .points li .mono"
FRAME = "document.querySelector('#walk canvas').toDataURL()"
Shoot = Callable[["Page", str], None]


@pytest.fixture
def page(page_of: PageOf, tmp_path: Path) -> "Page":
    """Explores the first picture of a model with directions."""
    return explore(page_of, tmp_path, "?tab=explore&seed=7&truncation=0.5&steps=4")


def explore(page_of: PageOf, folder: Path, query: str) -> "Page":
    page = page_of(query)
    page.wait_for_selector(SHOWN)
    page.click(".picture-start summary")
    choose(page, folder, 1)
    return page


def choose(page: "Page", folder: Path, number: int) -> None:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"{number}.png")
    page.set_input_files(".picture-start input", folder / f"{number}.png")
    wait_for_picture(page, number)


def move(page: "Page", amount: int) -> None:
    page.locator(".direction input >> nth=0").fill(str(amount))
    page.wait_for_selector(f"#explore canvas[aria-label*='0:{amount}']")


def walk(page: "Page", frames: int) -> list[str]:
    """The names of the points, once a walk of so many frames is shown."""
    page.wait_for_selector(f'{WALK}:has-text("of {frames}")')
    return page.locator(NAMES).all_inner_texts()


def first_frame(page: "Page") -> str:
    page.locator("#walk input[type=range]").fill("0")
    page.wait_for_selector(f'{WALK}:has-text("frame 1 of")')
    return str(page.evaluate(FRAME))


def test_a_walk_begins_at_the_picture_as_it_is_moved(page: "Page", shoot: Shoot) -> None:
    move(page, 2)
    explored = page.evaluate("document.querySelector('#explore canvas').toDataURL()")
    page.click("text=Walk from here")
    start, end = walk(page, 5)
    assert start.startswith("picture 1 0:2 (")
    assert "·0" in end
    assert first_frame(page) == explored
    shoot(page, "picture-walk")
    page.go_back()
    page.wait_for_selector(f"{CAPTION}:has-text('picture 1, class ')")


def test_a_walk_goes_from_one_picture_to_another(page: "Page", tmp_path: Path) -> None:
    page.click("text=Add to walk")
    page.wait_for_selector("#action-status:has-text('the first point')")
    choose(page, tmp_path, 2)
    page.click("text=Add to walk")
    page.wait_for_selector("#action-status:has-text('2 points')")
    page.click("#tab-walk")
    start, end = walk(page, 5)
    assert (start[:9], end[:9]) == ("picture 1", "picture 2")
    page.click("#walk button:has-text('Add a random point')")
    assert [name[:9] for name in walk(page, 9)[:2]] == ["picture 1", "picture 2"]
    page.click('[aria-label^="Remove picture 1"]')
    assert walk(page, 5)[0].startswith("picture 2")


def test_a_link_shows_the_walk_without_its_pictures(page: "Page", page_of: PageOf) -> None:
    page.click("text=Walk from here")
    end = walk(page, 5)[1]
    again = page_of(link_of(page))
    assert walk(again, 5) == [end, "7·0"]


def test_pictures_of_a_model_without_directions_and_classes_are_walked_too(
    page_of: PageOf, tmp_path: Path
) -> None:
    page = page_of("?tab=explore&seed=7&model=axes@1&steps=4")
    page.wait_for_selector(SHOWN)
    page.click(".picture-start summary")
    Image.new("RGB", (12, 8), "red").save(tmp_path / "red.png")
    page.set_input_files(".picture-start input", tmp_path / "red.png")
    page.wait_for_selector(f"{CAPTION}:has-text('picture 1, error')")
    move(page, -1)
    explored = page.evaluate("document.querySelector('#explore canvas').toDataURL()")
    page.click("text=Walk from here")
    assert walk(page, 5)[0] == "picture 1 0:-1"
    assert first_frame(page) == explored
