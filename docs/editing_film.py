"""Record the film of editing.md: a digit is drawn in the playground, made bolder and slanted.

    pip install -e '.[browser]'        # and a chromium: `playwright install chromium`, or Debian's
    make serve                         # in another terminal
    python docs/editing_film.py docs/editing.webp [http://localhost:8000]

A browser draws on the page with its mouse and moves its sliders; each frame is a screenshot of what
the service answered. The pointer is added, because screenshots do not show it.
"""

import io
import itertools
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

QUERY = "?tab=explore&model=mnist@3&seed=7"
WINDOW = {"width": 1160, "height": 736}  # CSS pixels
SIZE = (870, 552)  # pixels of the film
STROKE = [
    (70, 95),
    (95, 55),
    (150, 45),
    (190, 80),
    (165, 135),
    (110, 190),
    (75, 225),
    (140, 215),
    (215, 222),
]
MOVES = [("bold", 1.6), ("slant", 1.8), ("slant", -1.6)]  # standard deviations
STEPS = 8  # frames of a move
FRAME_MS, REST_MS = 80, 1400
IMAGE = "#explore canvas[aria-label*='The explored image']"
POINTER = """() => {
    const pointer = document.createElement("div");
    const look = {
        position: "fixed", width: "18px", height: "18px", margin: "-9px", border: "2px solid white",
        borderRadius: "50%", background: "#ff5a2acc", pointerEvents: "none", zIndex: 99,
    };
    Object.assign(pointer.style, look);
    document.body.append(pointer);
    addEventListener("pointermove", ({ clientX, clientY }) =>
        Object.assign(pointer.style, { left: `${clientX}px`, top: `${clientY}px` }));
}"""


def curve(points: list[tuple[int, int]], steps: int = 4) -> list[tuple[float, float]]:
    """A smooth line through points: a uniform Catmull-Rom spline."""
    ends = [points[0], *points, points[-1]]
    line = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(steps):
            t = step / steps
            weights = (
                (-t + 2 * t**2 - t**3) / 2,
                (2 - 5 * t**2 + 3 * t**3) / 2,
                (t + 4 * t**2 - 3 * t**3) / 2,
                (t**3 - t**2) / 2,
            )
            x, y = (
                sum(weight * value for weight, value in zip(weights, axis, strict=True))
                for axis in zip(a, b, c, d, strict=True)
            )
            line.append((x, y))
    return [*line, points[-1]]


def draw(page: "Page") -> Iterator[int]:
    """Draw the stroke; yield after every second step of the mouse."""
    box = page.locator(".drawing").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(curve(STROKE)):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number == 0:
            page.mouse.down()
        if number % 2 == 0:
            yield FRAME_MS
    page.mouse.up()
    page.wait_for_selector("#explore figcaption:has-text('picture 1')")
    page.wait_for_selector(
        ".directions:not([aria-busy])"
    )  # the thumbnails are those of the picture
    yield REST_MS


def move(page: "Page", name: str, amount: float) -> Iterator[int]:
    """Drag the slider of a direction; yield when the service has answered to each step."""
    slider = page.locator(f".direction:has-text('{name}') input")
    start = float(slider.input_value())
    for step in range(STEPS + 1):
        value = round(start + (amount - start) * step / STEPS, 1)
        page.mouse.move(*handle(slider, value))
        if step == 0:
            page.mouse.down()
        found = float(slider.input_value())
        if abs(found - value) > 0.1:
            raise RuntimeError(f"the slider {name} is at {found} instead of {value}")
        if found:
            page.wait_for_selector(f"{IMAGE}[aria-label*='{name}:{found:g}']")
        yield FRAME_MS
    page.mouse.up()
    yield REST_MS


def handle(slider: "Locator", value: float) -> tuple[float, float]:
    """Where the handle of a slider is at a value, in CSS pixels of the page."""
    box = slider.bounding_box()
    assert box is not None
    low, high = (float(slider.get_attribute(end) or 0) for end in ("min", "max"))
    thumb = 18  # CSS pixels, which the handle never leaves
    share = (value - low) / (high - low)
    return box["x"] + thumb / 2 + share * (box["width"] - thumb), box["y"] + box["height"] / 2


def film(page: "Page") -> Iterator[tuple[Image.Image, int]]:
    """The frames and how long each is shown, in milliseconds."""
    page.wait_for_selector(".directions:not([aria-busy])")
    page.click(".picture-start summary")
    page.locator(".split").evaluate("node => window.scrollTo(0, node.offsetTop - 12)")
    page.evaluate(POINTER)
    moves = (move(page, name, amount) for name, amount in MOVES)
    for duration in itertools.chain(draw(page), *moves):
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            yield shot.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS), duration


def main(path: str, url: str = "http://localhost:8000/") -> None:
    """Record the film and write it as an animated WebP."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=WINDOW, color_scheme="light")
        page.goto(f"{url.rstrip('/')}/{QUERY}")
        images, durations = zip(*film(page), strict=True)
        browser.close()
    options = {"duration": list(durations), "loop": 0, "quality": 55, "method": 6}
    images[0].save(path, save_all=True, append_images=images[1:], minimize_size=True, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
