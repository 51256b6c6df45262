"""A real browser on a real server; `tests/browsers.py` says when these tests are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mirage.bundle.store.publish import new_version
from mirage.bundle.store.release import release
from tests.browsers import TIMEOUT_MS, WIDE, open_browser, take_screenshot
from tests.bundles import Toy, write_toy
from tests.playground.server import Server
from tests.upscalers import make_upscaler

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CARD = """---
license: cc-by-4.0
---

# A toy

## Data and licence

Data: drawn by a ramp. Licence of the data: `cc-by-4.0`.

## Limits

It knows ramps.
"""

PageOf = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One browser for each module, because it keeps an event loop running."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`toy`, with version 1 released, `axes`, without directions and classes, and `larger`.

    `larger` enlarges pictures twice.
    """
    root = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        _publish(root, "toy", Toy(seed=seed))
    _publish(root, "axes", Toy(labels=(), channels=3, strengths=()))
    make_upscaler(root)
    for name in ("toy", "axes", "larger"):
        release(root, name, 1)
    return root


def _publish(root: Path, name: str, toy: Toy) -> None:
    with new_version(root, name) as draft:
        write_toy(draft.path, toy)
        (draft.path / "README.md").write_text(CARD, encoding="utf-8")
        Image.new("L", (120, 80), 90).save(draft.path / "samples.png")
        draft.publish(toy.description())


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    server = Server(models)
    yield server
    server.kill()


@pytest.fixture
def page_of(browser: "Browser", server: Server) -> Iterator[PageOf]:
    """A function that opens pages. They must log no errors and request no other host.

    `expected` is a text that allowed errors contain.
    """
    errors: list[str] = []
    contexts = []

    def open_page(query: str = "", *, expected: str = "", at: str = "", **options: Any) -> "Page":
        url = at or server.url
        context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()

        def record(text: str) -> None:
            if not expected or expected not in text:
                errors.append(text)

        page.on("console", lambda message: record(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: check_host(request.url, url))
        page.goto(url + query)
        return page

    def check_host(address: str, url: str) -> None:
        if not address.startswith((url, "data:", "blob:")):
            errors.append(f"requested {address}")

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def shoot() -> Callable[["Page", str], None]:
    """A function that takes a screenshot, if there is a folder for them."""
    return take_screenshot
