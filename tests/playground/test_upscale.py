"""Pictures that are enlarged in a real browser."""

import base64
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browsers import PHONE
from tests.playground.conftest import PageOf
from tests.playground.server import Server
from tests.playground.test_accessibility import axe, violations
from tests.playground.test_views import asked, link_of, png_of, sources
from tests.service.helpers.pictures import encoded, noise

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page, Route

__all__ = ["axe"]  # a fixture

Shoot = Callable[["Page", str], None]
TIMES = "\N{MULTIPLICATION SIGN}"
PICTURE = encoded(noise(30, 40, 3))
DONE = "#upscale [role=status]:has-text('Enlarged to')"
FRAME_SIZE = "(({ width, height }) => [width, height])(document.querySelector('#walk canvas'))"
BORDER = "document.querySelector('.pictures').style.getPropertyValue('--border-at')"
# Scrolls the picture to its right end.
SCROLL = """() => new Promise((resolve) => {
    const scrolled = document.querySelector(".window");
    scrolled.addEventListener("scroll", () => requestAnimationFrame(resolve), { once: true });
    scrolled.scrollLeft = scrolled.scrollWidth;
})"""
# Drops a file on the middle of the page.
DROP = """([name, text, padding = 0]) => {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes, new Uint8Array(padding)], name, { type: "image/png" }));
    for (const type of ["dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
        document.querySelector("main").dispatchEvent(event);
        if (!event.defaultPrevented) throw new Error(`${type} was not taken`);
    }
}"""


def file(data: bytes = PICTURE, name: str = "my photo.png") -> "FilePayload":
    return {"name": name, "mimeType": "image/png", "buffer": data}


def choose(page: "Page", *files: Any) -> None:
    page.set_input_files("#picture", *files)


def downloaded(page: "Page") -> tuple[str, Image.Image]:
    """The name and the picture that the page saves."""
    with page.expect_download() as download:
        page.click("button:has-text('Download PNG')")
    data = download.value.path().read_bytes()
    return download.value.suggested_filename, Image.open(io.BytesIO(data))


def border_of(page: "Page") -> float:
    """Where the border between both pictures is, 0 … 100."""
    return float(page.evaluate(BORDER).removesuffix("%"))


def test_a_chosen_picture_is_enlarged_and_saved(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?tab=upscale")
    page.wait_for_selector("#picture-hint:has-text('at most 32 MiB and 16 megapixels')")
    choose(page, file())
    page.wait_for_selector(DONE)
    caption = page.inner_text("#upscale .caption").lower().replace(TIMES, "x")
    assert "40 x 30 → 80 x 60  ·  larger@1" in caption
    shoot(page, "upscale")
    name, picture = downloaded(page)
    assert (name, picture.size) == ("my photo-2x.png", (80, 60))


def test_a_picture_is_dropped_on_another_view(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    sources(page)
    page.evaluate(DROP, ["dropped.png", base64.b64encode(PICTURE).decode()])
    page.wait_for_selector(DONE)
    assert "tab=upscale" in link_of(page)
    assert downloaded(page)[0] == "dropped-2x.png"


def test_another_scale_enlarges_the_picture_again(page_of: PageOf) -> None:
    page = page_of("?tab=upscale")
    choose(page, file())
    page.wait_for_selector(DONE)
    page.select_option("#scale", "1.5")
    page.wait_for_selector(f"#upscale [role=status]:has-text('60 {TIMES} 45')")
    assert "scale=1.5" in link_of(page)
    assert downloaded(page)[0] == "my photo-1.5x.png"
    page.click("#tab-generate")
    sources(page)
    page.click("#tab-upscale")
    page.wait_for_selector("#upscale:not([hidden])")
    assert downloaded(page)[0] == "my photo-1.5x.png"


def test_one_slider_shows_before_and_after(page_of: PageOf) -> None:
    """It works by mouse, on the picture too, and by keyboard."""
    page = page_of("?tab=upscale")
    choose(page, file())
    page.wait_for_selector(DONE)
    assert border_of(page) == 50
    page.focus("#border")
    page.keyboard.press("Home")
    assert border_of(page) == 0
    page.keyboard.press("ArrowRight")
    assert border_of(page) == 0.5
    page.keyboard.press("End")
    assert page.get_attribute("#border", "aria-valuetext") == "100 % before, 0 % after"
    box = page.locator(".pictures").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 5)
    page.mouse.up()
    assert border_of(page) == pytest.approx(25, abs=1)
    assert page.input_value("#border") == "25"


def test_the_picture_is_shown_pixel_by_pixel(page_of: PageOf) -> None:
    page = page_of("?tab=upscale", viewport={"width": 600, "height": 700})
    choose(page, file(encoded(noise(500, 500, 3))))
    page.wait_for_selector(DONE)
    width = "document.querySelector('.pictures').offsetWidth"
    assert page.evaluate(width) < 600
    page.check("text=Actual size")
    assert page.evaluate(width) == 1000
    before = border_of(page)
    page.evaluate(SCROLL)
    assert border_of(page) > before  # it stays where the slider is
    page.uncheck("text=Actual size")
    assert page.evaluate(width) < 600


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"no picture", "400", "The body is no picture"),
        (b"GIF89a" + bytes(40), "415", "PNG, JPEG and WebP"),
        (PICTURE[:-30], "400", "the picture"),
    ],
    ids=["text", "gif", "truncated"],
)
def test_says_why_a_picture_is_rejected(
    page_of: PageOf, data: bytes, status: str, text: str, shoot: Shoot
) -> None:
    page = page_of("?tab=upscale", expected=status)
    choose(page, file(data))
    page.wait_for_selector("#error:not([hidden])")
    assert text.lower() in page.inner_text("#error-text").lower()
    shoot(page, f"upscale-error-{status}")
    assert page.locator("button:has-text('Download PNG')").is_hidden()
    choose(page, file())
    page.wait_for_selector(DONE)
    assert page.locator("#error").is_hidden()


def test_does_not_send_a_picture_above_the_limit(page_of: PageOf) -> None:
    page = page_of("?tab=upscale")
    page.wait_for_selector("#picture-hint:not(:empty)")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(DROP, ["huge.png", "", 33 * 2**20])
    page.wait_for_selector(
        "#error-text:has-text('Huge.png has 33 MiB; at most 32 MiB are allowed.')"
    )
    assert not any("/upscale?" in url for url in sent)


def test_waits_while_the_server_is_busy_and_gives_up_on_lost_connections(page_of: PageOf) -> None:
    page = page_of("?tab=upscale", expected="Failed to load resource")
    answers = iter(["busy", "served", "lost", "lost"])
    sent = []

    def answer(route: "Route") -> None:
        sent.append(route.request.post_data_buffer)
        match next(answers):
            case "busy":
                problem = {"type": "urn:mirage:queue-full", "detail": "full"}
                route.fulfill(status=429, headers={"Retry-After": "1"}, body=json.dumps(problem))
            case "lost":
                route.abort("connectionreset")
            case _:
                route.continue_()

    page.route("**/upscale?*", answer)
    choose(page, file())
    page.wait_for_selector("#error-text:has-text('its queue is full')")
    page.wait_for_selector(DONE)
    choose(page, file(name="b.png"))
    page.wait_for_selector("#error-text:has-text('the connection was lost twice')")
    assert sent == [PICTURE] * 4


def test_generated_images_are_enlarged(page_of: PageOf, server: Server, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=4&model=axes@1")
    small = sources(page)
    page.select_option("#upscale-with", "larger@1")
    page.wait_for_selector('.caption:has-text("enlarged by larger@1")')
    large = sources(page)
    sizes = [Image.open(io.BytesIO(png_of(images[0]))).size for images in (small, large)]
    assert sizes[1] == (2 * sizes[0][0], 2 * sizes[0][1])
    assert sources(page_of(link_of(page))) == large
    page.click("#generate .frame >> nth=2")
    assert "larger@1" in page.inner_text("#viewer dl")
    body = {"seed": 7, "index": 2, "model": "axes", "version": 1, "upscale": "larger@1"}
    assert asked(server, json.dumps(body)) == png_of(large[2])
    assert '"upscale":"larger@1"' in page.inner_text("#viewer pre")
    shoot(page, "generate-enlarged")


def test_the_frames_of_a_walk_are_enlarged(page_of: PageOf) -> None:
    page = page_of("?tab=walk&points=7.0,8.0&steps=4&model=axes@1")
    page.wait_for_selector('#walk .caption:has-text("frame 1 of 5")')
    small = page.evaluate(FRAME_SIZE)
    page.select_option("#upscale-with", "larger@1")
    page.wait_for_selector('#walk .caption:has-text("enlarged by larger@1")')
    page.wait_for_function(f"([width]) => {FRAME_SIZE}[0] === 2 * width", arg=small)
    assert "upscale=larger@1" in link_of(page)
    with page.expect_download() as download:
        page.click("#action-buttons button:has-text('WebP')")
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as animation:
        assert animation.size == tuple(2 * side for side in small)


def test_views_offer_the_models_of_their_task(page_of: PageOf) -> None:
    """A link that names another model shows one that fits."""
    names = "[...document.querySelector('#model-choice').options].map(({ value }) => value)"
    page = page_of("?tab=generate&model=larger@1&seed=7&count=4")
    sources(page)
    assert page.evaluate(names) == ["axes@1", "toy@2", "toy@1"]
    page.click("#tab-upscale")
    page.wait_for_selector("#picture-hint:not(:empty)")
    assert page.evaluate(names) == ["larger@1"]
    page.click("#tab-model")
    page.wait_for_selector(".card")
    page.select_option("#model-choice", "larger@1")
    page.wait_for_selector(".lead:has-text('Enlarges pictures 2 times')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}])
def test_a_shown_picture_is_accessible(
    page_of: PageOf, axe: str, scheme: str, viewport: dict[str, int], shoot: Shoot
) -> None:
    page = page_of("?tab=upscale", color_scheme=scheme, viewport=viewport)
    choose(page, file())
    page.wait_for_selector(DONE)
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    assert violations(page, axe) == []
    page.check("text=Actual size")
    assert violations(page, axe) == []
    shoot(page, f"upscale-{scheme}-{viewport['width']}")
