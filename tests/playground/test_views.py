"""The five views in a real browser: what a person does, and what the page shows."""

import base64
import io
import json
import re
import shlex
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.playground.conftest import PageOf
from tests.playground.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shoot = Callable[["Page", str], None]
COLUMNS = "getComputedStyle(document.querySelector('#generate ul')).gridTemplateColumns"


def sources(page: "Page", title: str = "Images") -> list[str]:
    """Return the URLs of a grid's images, once all of them are loaded."""
    page.wait_for_selector(f'[aria-label="{title}"]:not([aria-busy]) img[src]')
    images: list[str] = page.eval_on_selector_all(
        f'[aria-label="{title}"] img', "images => images.map(image => image.src)"
    )
    return images


def shuffle(page: "Page") -> None:
    """Take another seed, and wait until the first image is another one.

    The caption cannot tell: a random seed may begin with the digits of the one before.
    """
    first = sources(page)[0]
    page.click("#shuffle")
    page.wait_for_selector(f'[aria-label="Images"] li:first-child img[src]:not([src="{first}"])')


def link_of(page: "Page") -> str:
    """Return the query of the page's URL."""
    query: str = page.evaluate("location.search")
    return query


def png_of(source: str) -> bytes:
    return base64.b64decode(source.removeprefix("data:image/png;base64,"))


def asked(server: Server, body: str, accept: str = "*/*", path: str = "generate") -> bytes:
    """Return the service's response to a JSON body."""
    headers = {"content-type": "application/json", "accept": accept}
    request = urllib.request.Request(f"{server.url}{path}", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: bytes = response.read()
    return answer


def frame(page: "Page") -> str:
    """Return the content of the large canvas of the view."""
    text: str = page.eval_on_selector("main > :not([hidden]) canvas", "c => c.toDataURL()")
    return text


def test_the_grid_shows_the_images_of_its_seed(
    page_of: PageOf, server: Server, shoot: Shoot
) -> None:
    page = page_of("?seed=7&count=36")
    images = sources(page)
    assert len(images) == 36
    for index in (0, 20, 35):
        body = json.dumps({"seed": 7, "index": index, "model": "toy", "version": 1})
        assert png_of(images[index]) == asked(server, body)
    assert page.text_content("#generate .frame >> nth=35") == "7·35"
    shoot(page, "generate")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (2560, 1440), (390, 844)])
def test_the_first_images_fill_the_window(page_of: PageOf, width: int, height: int) -> None:
    """All rows are full, and the link says how many images there are."""
    page = page_of("?seed=7", viewport={"width": width, "height": height})
    images = len(sources(page))
    assert f"count={images}" in link_of(page)
    columns = len(page.evaluate(COLUMNS).split())
    assert images % columns == 0
    box = page.locator("#generate figure").first.bounding_box()
    assert box is not None
    bottom = box["y"] + box["height"]
    assert bottom > 0.85 * height
    assert bottom <= height or width < 1000  # phones scroll


def test_a_link_shows_the_same_images(page_of: PageOf) -> None:
    """It contains model and version, so that a later release does not change it."""
    page = page_of()
    first = sources(page)
    shuffle(page)
    page.click("#classes label:has-text('3')")
    page.wait_for_selector('.caption:has-text("class 3")')
    images = sources(page)
    assert images[0] != first[0]
    assert "model=toy@1" in link_of(page)
    assert sources(page_of(link_of(page))) == images


def test_the_back_button_restores_the_last_images(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    images = sources(page)
    page.fill("#seed", "8")
    page.press("#seed", "Enter")
    page.wait_for_selector('.caption:has-text("seed 8")')
    assert sources(page) != images
    page.go_back()
    page.wait_for_selector('.caption:has-text("seed 7")')
    assert sources(page) == images


def test_the_largest_grid_is_loaded_completely(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=256")
    assert len(set(sources(page))) == 256
    shoot(page, "generate-256")


def test_an_image_is_enlarged_saved_and_reproduced_by_its_command(
    page_of: PageOf, server: Server, shoot: Shoot
) -> None:
    page = page_of("?seed=18446744073709551615&count=16&truncation=0.5")
    images = sources(page)
    page.click("#generate .frame >> nth=3")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#viewer img", "src") == images[4]
    shoot(page, "viewer")
    with page.expect_download() as download:
        page.click("#viewer-save")
    assert download.value.suggested_filename == "toy-1-18446744073709551615-4.png"
    assert download.value.path().read_bytes() == png_of(images[4])
    words = shlex.split(page.inner_text("#viewer pre").replace("\\\n", " "))
    assert words[:5] == ["curl", "--fail-with-body", "-X", "POST", f"{server.url}generate"]
    assert asked(server, words[words.index("-d") + 1]) == png_of(images[4])


def test_favourites_are_stored_in_the_browser(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=16")
    images = sources(page)
    page.click("#generate .frame >> nth=2")
    page.click("#viewer-favourite")
    page.click("#viewer-close")
    page.goto(page.url.replace("seed=7", "seed=8"))
    assert sources(page, "Favourites") == [images[2]]
    page.click(".favourites .frame")
    shoot(page, "favourites")
    page.click("#viewer-favourite")
    page.wait_for_selector(".favourites", state="hidden")


def test_a_walk_is_played_scrubbed_and_saved(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?tab=walk&points=7.0.3,8.0.3,9.1.3&steps=8")
    page.wait_for_selector('#walk .caption:has-text("frame 1 of 17")')
    first = frame(page)
    page.fill('[aria-label="Frame"]', "8")
    page.wait_for_selector('.caption:has-text("frame 9 of 17")')
    assert frame(page) != first
    page.click("#walk button:has-text('Play')")
    page.wait_for_selector('#walk .caption:not(:has-text("frame 9 of"))')
    page.click("#walk button:has-text('Pause')")
    shoot(page, "walk")
    for name, kind in (("WebP", "WEBP"), ("GIF", "GIF")):
        with page.expect_download() as download:
            page.click(f"#action-buttons button:has-text('{name}')")
        with Image.open(io.BytesIO(download.value.path().read_bytes())) as animation:
            assert (animation.format, getattr(animation, "n_frames", 1)) == (kind, 17)


def test_a_walk_passes_through_images_of_the_grid(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=16")
    sources(page)
    for at in (2, 5):
        page.click(f"#generate .frame >> nth={at}")
        page.click("#viewer-walk")
        page.click("#viewer-close")
    page.click("#tab-walk")
    page.wait_for_selector('#walk .caption:has-text("of 17")')
    assert page.locator(".points li").count() == 2
    page.click("#walk button:has-text('Add a random point')")
    page.wait_for_selector('#walk .caption:has-text("of 33")')
    page.click('[aria-label^="Remove"] >> nth=0')
    page.wait_for_selector('#walk .caption:has-text("of 17")')


def test_a_slider_moves_all_images_and_a_link_restores_it(
    page_of: PageOf, shoot: Shoot, record_property: Callable[[str, object], None]
) -> None:
    for model in ("toy@1", "axes@1"):
        page = page_of(f"?tab=explore&seed=7&model={model}")
        page.wait_for_selector("[data-frames]")
        origin = frame(page)
        shown = drag(page, "#direction-1")
        record_property(f"frames per second, {model}", round(shown, 1))
        moved = frame(page)
        assert moved != origin
        shoot(page, f"explore-{model}")
        assert "moves=1:" in link_of(page)
        again = page_of(link_of(page))
        again.wait_for_selector("[data-frames]")
        assert frame(again) == moved
        page.click("button:has-text('Reset')")
        page.wait_for_selector('canvas[aria-label$="the origin"]')
        assert frame(page) == origin


def drag(page: "Page", slider: str) -> float:
    """Drag a slider to its end and halfway back, and return the images shown per second."""
    box = page.locator(slider).bounding_box()
    assert box is not None
    count = "Number(document.querySelector('[data-frames]').dataset.frames)"
    now = "performance.now()"
    before = page.evaluate(f"[{count}, {now}]")
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for step in range(60):
        share = 0.5 + step / 120 if step < 50 else 1 - (step - 49) / 40
        page.mouse.move(box["x"] + box["width"] * share, y)
    after = page.evaluate(f"[{count}, {now}]")
    page.mouse.up()
    value = page.input_value(slider)
    page.wait_for_selector(f'canvas[aria-label$=" 1:{value}"]')
    page.wait_for_url(f"**moves=1:{value}*")
    frames, elapsed_ms = (end - start for start, end in zip(before, after, strict=True))
    return 1000 * float(frames) / float(elapsed_ms)


def test_two_versions_are_compared_on_the_same_seeds(
    page_of: PageOf, server: Server, shoot: Shoot
) -> None:
    page = page_of("?tab=compare&seed=7&count=16")
    page.wait_for_selector(".summary:has-text('on both sides')")
    left, right = sources(page, "Chosen version"), sources(page, "The other version")
    assert "against=toy@2" in link_of(page)
    for version, images in ((1, left), (2, right)):
        body = json.dumps({"seed": 7, "index": 5, "model": "toy", "version": version})
        assert png_of(images[5]) == asked(server, body)
    page.hover("#compare .frame >> nth=5")
    assert page.locator(".counterpart").count() == 2  # on the other side, and of the difference
    shoot(page, "compare")
    page.click("#compare .frame >> nth=5")
    assert page.get_attribute("#viewer img", "src") == left[5]
    page.click("#viewer-swap")
    assert page.get_attribute("#viewer img", "src") == right[5]
    page.keyboard.press("Escape")
    page.click("#swap")
    page.wait_for_selector('#compare figure:first-child .caption:has-text("toy@2")')
    assert "model=toy@2" in link_of(page)
    page.select_option("#against", "axes@1")
    page.wait_for_selector('#compare .caption:has-text("axes@1")')


def test_the_card_shows_scores_data_licence_and_origin(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?tab=model")
    page.wait_for_selector(".card img")
    assert page.locator(".bars li").count() == 1
    assert "Real data" in page.inner_text(".bars")
    assert "drawn by a ramp" not in page.inner_text(".card")
    for summary in page.locator(".card summary").all():
        summary.click()
    text = page.inner_text(".card")
    for words in ("5.0 times as far", "10,000 images", "drawn by a ramp", "cc-by-4.0", "toy@1"):
        assert words in text
    assert "It knows ramps." in text
    shoot(page, "model")


def test_live_metrics_count_the_requests_of_the_page(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=64")
    sources(page)
    page.wait_for_selector("#status[data-status=ready]")
    page.click("#shuffle")
    some = re.compile(r"Images/s\s*(?!0\.0$)\d")
    page.locator("#live-metrics div").filter(has_text=some).wait_for()
    page.wait_for_selector("#last-answer:has-text('ms')")
    assert "cpu" in page.inner_text("#live-metrics")
    assert "p50" not in page.inner_text("#live-metrics")  # of a few requests
