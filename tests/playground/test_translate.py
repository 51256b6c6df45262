"""Pictures that are translated in a real browser."""

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from tests.playground.conftest import PageOf
from tests.playground.server import Server
from tests.playground.test_upscale import PICTURE, choose, downloaded, file
from tests.playground.test_views import link_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

TRANSLATED = "#translate [role=status]:has-text('Translated')"
ENLARGED = "#upscale [role=status]:has-text('Enlarged')"


def translated(page_of: PageOf, query: str = "?tab=translate") -> "Page":
    """A page that shows `my photo.png`, translated."""
    page = page_of(query)
    page.wait_for_selector("#picture-hint:has-text('at most 32 MiB')")
    choose(page, file())
    page.wait_for_selector(TRANSLATED)
    return page


def test_a_chosen_picture_is_translated_compared_and_saved(page_of: PageOf) -> None:
    page = translated(page_of)
    assert "translator=styled@1" in link_of(page)
    assert "styled@1" in page.inner_text("#translate .caption").lower()
    assert page.is_hidden("#controls")  # there is no scale to choose
    page.focus("#border")
    page.keyboard.press("Home")
    assert page.get_attribute("#border", "aria-valuetext") == "0 % before, 100 % after"
    name, picture = downloaded(page)
    assert (name, picture.size) == ("my photo-styled.png", (40, 30))
    with Image.open(io.BytesIO(PICTURE)) as before:
        assert ImageChops.difference(before.convert("RGB"), picture.convert("RGB")).getbbox()


def test_the_code_repeats_the_translation(page_of: PageOf, server: Server) -> None:
    page = translated(page_of)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button:has-text('curl')")
    page.wait_for_selector("#action-status:has-text('Copied as curl')")
    code = page.evaluate("navigator.clipboard.readText()")
    assert f"{server.url}translate?model=styled&version=1" in code
    assert "@my photo.png" in code


def test_a_picture_goes_on_to_another_view_and_back(page_of: PageOf) -> None:
    page = translated(page_of)
    page.click("#tab-upscale")
    page.wait_for_selector(ENLARGED)
    assert downloaded(page)[0] == "my photo-2x.png"
    page.go_back()
    page.wait_for_selector(TRANSLATED)


def test_history_goes_back_to_a_picture_until_the_page_is_closed(page_of: PageOf) -> None:
    page = translated(page_of)
    choose(page, file(name="other.png"))
    page.wait_for_selector("#translate .caption:has-text('other.png')")
    page.wait_for_selector(TRANSLATED)
    page.click("button:has-text('History')")
    page.click("#history a:has-text('Translate · styled@1 · my photo.png')")
    page.wait_for_selector("#translate .caption:has-text('my photo.png')")
    page.wait_for_selector(TRANSLATED)
    page.reload()
    page.wait_for_selector("#translate [role=status]:has-text('Choose it again')")
    assert page.is_hidden("#translate figure")


def test_a_generated_image_can_be_tried(page_of: PageOf) -> None:
    page = page_of("?tab=translate")
    page.click("button:has-text('Try a generated image')")
    page.wait_for_selector(TRANSLATED)
    name, picture = downloaded(page)
    assert name.startswith("toy-1-")
    assert picture.size == (12, 8)


def test_the_card_of_a_translator_says_what_it_does(page_of: PageOf) -> None:
    page = page_of("?tab=model&model=styled@1")
    page.wait_for_selector(".lead:has-text('Translates pictures in colour to another style')")
    page.click("#tab-gallery")
    page.click("button:has-text('translates pictures')")
    page.wait_for_selector("#translate:not([hidden]) #picture-hint")
