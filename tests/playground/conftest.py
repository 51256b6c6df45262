"""A real browser on a real server; `tests/browsers.py` says when these tests are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mirage.bundle.store.publish import new_version
from mirage.bundle.store.release import release
from tests.browsers import checked_pages, open_browser, take_screenshot
from tests.bundles import Toy, write_toy
from tests.playground.server import Server
from tests.upscalers import ToyUpscaler, make_upscaler

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
ServerOf = Callable[..., Server]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One browser for each module, because it keeps an event loop running."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`toy`, with version 1 released, `axes`, without directions and classes, and `larger`.

    `larger` enlarges pictures twice, `styled` translates them.
    """
    root = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        publish_toy(root, "toy", Toy(seed=seed))
    publish_toy(root, "axes", Toy(labels=(), channels=3, strengths=()))
    make_upscaler(root)
    make_upscaler(root, "styled", ToyUpscaler(scale=1, task="translate", multiple=4))
    for name in ("toy", "axes", "larger", "styled"):
        release(root, name, 1)
    return root


def publish_toy(root: Path, name: str, toy: Toy) -> None:
    """Publish a toy with a card and samples."""
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
def server_of() -> Iterator[ServerOf]:
    """A function that starts other servers, which run until all pages are closed."""
    servers: list[Server] = []

    def start(root: Path, default: str | None = "toy") -> Server:
        servers.append(Server(root, default=default))
        return servers[-1]

    yield start
    for other in servers:
        other.kill()


@pytest.fixture
def page_of(browser: "Browser", server: Server, server_of: ServerOf) -> Iterator[PageOf]:
    """A function that opens pages of the server, or of `at`, as of `checked_pages`."""
    with checked_pages(browser, ("data:", "blob:")) as open_:

        def open_page(query: str = "", *, at: str = "", **options: Any) -> "Page":
            return open_(at or server.url, query, **options)

        yield open_page


@pytest.fixture
def shoot() -> Callable[["Page", str], None]:
    """A function that takes a screenshot, if there is a folder for them."""
    return take_screenshot
