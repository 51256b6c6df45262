"""Exploring a picture in a real browser: one that is drawn with the mouse, and a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.playground.conftest import PageOf
from tests.playground.test_views import frame

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOWN = "#explore [data-frames]"
CAPTION = "#explore figcaption"


def wait_for_picture(page: "Page", number: int) -> None:
    page.wait_for_selector(f"{CAPTION}:has-text('picture {number}, class ')")


@pytest.fixture
def page(page_of: PageOf) -> "Page":
    page = page_of("?tab=explore&seed=7", expected="400")  # of the file that is no picture
    page.wait_for_selector(SHOWN)
    page.click(".picture-start summary")
    return page


def draw(page: "Page", *points: tuple[int, int]) -> None:
    box = page.locator(".drawing").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_drawing_is_inverted_and_moved(page: "Page") -> None:
    origin = frame(page)
    draw(page, (60, 60), (200, 60), (90, 220))
    wait_for_picture(page, 1)
    found = frame(page)
    assert found != origin
    slider = page.locator(".direction input >> nth=0")
    slider.fill("2")
    page.wait_for_selector("#explore canvas[aria-label*='0:2']")
    assert frame(page) != found
    draw(page, (60, 100), (200, 100))
    wait_for_picture(page, 2)
    page.click("text=Back to the seed")
    page.wait_for_selector(f"{CAPTION}:has-text('seed 7')")


def test_a_file_is_inverted(page: "Page", tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    page.set_input_files(".picture-start input", tmp_path / "photo.png")
    wait_for_picture(page, 1)
    (tmp_path / "text.png").write_bytes(b"no picture")
    page.set_input_files(".picture-start input", tmp_path / "text.png")
    page.wait_for_selector(".picture-start [role=status]:has-text('no picture')")
