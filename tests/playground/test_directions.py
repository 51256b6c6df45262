"""Directions in a real browser: names, thumbnails, favourites, and random moves."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mirage.bundle.store.directions import add_direction
from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.playground.conftest import PageOf, ServerOf
from tests.playground.server import Server
from tests.playground.test_views import frame, link_of, sources

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shoot = Callable[["Page", str], None]
SHOWN = "[data-frames]"
EMPTY = """() => [...document.querySelectorAll('.cells canvas')].filter((canvas) =>
    !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)
).length"""


@pytest.fixture
def named_server(tmp_path: Path, server_of: ServerOf) -> Server:
    """`toy` with `age`, its direction 1, and `smile`, a further one."""
    make_bundle(tmp_path, "toy")
    release(tmp_path, "toy", 1)
    np.save(tmp_path / "smile.npy", np.array([0, 0, 0, 3, -4], np.float32))
    add_direction(tmp_path, "toy", 1, "age", 1)
    add_direction(tmp_path, "toy", 1, "smile", tmp_path / "smile.npy")
    return server_of(tmp_path)


def test_each_direction_has_its_name_and_thumbnails(
    page_of: PageOf, named_server: Server, shoot: Shoot
) -> None:
    page = page_of("?tab=explore&seed=7", at=named_server.url)
    page.wait_for_selector(SHOWN)
    names = page.locator(".direction label b").all_inner_texts()
    assert names == ["age", "smile", "Direction 1"]
    page.wait_for_selector(".directions:not([aria-busy])")
    assert page.evaluate(EMPTY) == 0
    assert page.locator(".direction >> nth=0 >> .cells button").count() == 7
    shoot(page, "directions")


def test_a_thumbnail_sets_its_slider_and_the_link_has_the_name(
    page_of: PageOf, named_server: Server
) -> None:
    page = page_of("?tab=explore&seed=7", at=named_server.url)
    page.wait_for_selector(SHOWN)
    origin = frame(page)
    page.click('[aria-label="smile: +2"]')
    page.wait_for_selector('canvas[aria-label$=" smile:2"]')
    page.wait_for_url("**moves=smile:2*")
    moved = frame(page)
    assert moved != origin
    again = page_of(link_of(page), at=named_server.url)
    again.wait_for_selector(SHOWN)
    assert frame(again) == moved


def test_a_moved_image_becomes_a_favourite(page_of: PageOf, named_server: Server) -> None:
    page = page_of("?tab=explore&seed=7&moves=smile:2", at=named_server.url)
    page.wait_for_selector(SHOWN)
    page.click('[aria-label^="Add the image moved along smile"]')
    page.wait_for_selector("#action-status:has-text('favourites')")
    page.click("#tab-generate")
    assert len(sources(page, "Favourites")) == 1
    page.click(".favourites .frame")
    assert '"directions":{"smile":2}' in page.inner_text("#viewer pre")


def test_the_thumbnails_of_a_direction_are_saved(page_of: PageOf, named_server: Server) -> None:
    page = page_of("?tab=explore&seed=7", at=named_server.url)
    page.wait_for_selector(SHOWN)
    with page.expect_download() as download:
        page.click('[aria-label="Save the thumbnails of smile"]')
    assert download.value.suggested_filename == "toy-1-direction-smile.png"


def test_random_moves_stay_short(page_of: PageOf, named_server: Server) -> None:
    page = page_of("?tab=explore&seed=7", at=named_server.url)
    page.wait_for_selector(SHOWN)
    for _ in range(5):
        page.click("button:has-text('Random')")
        amounts = page.eval_on_selector_all(
            ".direction input", "inputs => inputs.map((input) => Number(input.value))"
        )
        assert np.linalg.norm(amounts) == pytest.approx(2.5, abs=0.15)
