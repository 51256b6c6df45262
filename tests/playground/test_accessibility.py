"""Accessibility: WCAG rules, phones, and use by keyboard alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browsers import PHONE, read_axe, violations
from tests.playground.conftest import PageOf, ServerOf

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shoot = Callable[["Page", str], None]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOADED = {
    "gallery": "#cover-toy img",
    "generate": '[aria-label="Images"]:not([aria-busy]) img[src]',
    "walk": '#walk .caption:has-text("frame 1 of")',
    "explore": "[data-frames]",
    "compare": ".summary:has-text('on both sides')",
    "upscale": "#picture-hint:not(:empty)",
    "translate": "#picture-hint:not(:empty)",
    "model": ".card img",
}


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    return read_axe()


@pytest.mark.parametrize("view", LOADED)
def test_axe_finds_no_violation(page_of: PageOf, axe: str, view: str) -> None:
    page = page_of(f"?seed=7&count=16&tab={view}")
    page.wait_for_selector(LOADED[view])
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert violations(page, axe) == [], scheme


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_viewer(page_of: PageOf, axe: str, scheme: str) -> None:
    page = page_of("?seed=7&count=16", color_scheme=scheme)
    page.wait_for_selector(LOADED["generate"])
    page.click("#generate .frame >> nth=3")
    page.click("#viewer-favourite")
    assert violations(page, axe) == []


@pytest.mark.parametrize("view", LOADED)
def test_a_phone_shows_every_view_without_scrolling_sideways(
    page_of: PageOf, axe: str, shoot: Shoot, view: str
) -> None:
    page = page_of(f"?seed=7&count=16&tab={view}", viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector(LOADED[view])
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert violations(page, axe) == []
    shoot(page, f"phone-{view}")


def test_axe_finds_no_violation_on_a_server_without_models(
    page_of: PageOf, server_of: ServerOf, axe: str, tmp_path: Path
) -> None:
    page = page_of(at=server_of(tmp_path, default=None).url)
    page.wait_for_selector(".nothing")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert violations(page, axe) == [], scheme


def test_everything_works_by_keyboard(page_of: PageOf, shoot: Shoot) -> None:
    """Views, fields, grid, viewer, favourites and sliders."""
    page = page_of("?seed=7&count=16")
    page.wait_for_selector(LOADED["generate"])
    keys = page.keyboard
    tab_to(page, "#seed")
    keys.press("Control+a")
    keys.type("9")
    keys.press("Enter")
    page.wait_for_selector('.caption:has-text("seed 9")')
    page.wait_for_selector(LOADED["generate"])
    tab_to(page, "#generate .frame")
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    shoot(page, "keyboard")
    keys.press("Enter")
    page.wait_for_selector("#viewer[open]")
    chosen = page.inner_text("#viewer-title")
    tab_to(page, "#viewer-favourite")
    keys.press("Enter")
    keys.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    assert page.evaluate("document.activeElement.textContent") == chosen
    assert page.text_content(".favourites .frame") == chosen
    tab_to(page, "#tab-generate", back=True)
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    page.wait_for_selector(LOADED["explore"])
    tab_to(page, "#direction-0")
    keys.press("ArrowRight")
    page.wait_for_selector('canvas[aria-label$=" 0:0.1"]')


def tab_to(page: "Page", selector: str, *, back: bool = False) -> None:
    """Press the tab key until an element of a selector has the focus."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the tab key does not lead to {selector}")
