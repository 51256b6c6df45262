"""A real browser. Tests without one are skipped; `BROWSER_TESTS=required` makes that an error."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OpenPage = Callable[..., "Page"]
ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TIMEOUT_MS = 120_000  # enough for a busy machine
AXE = ROOT / ".browser" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def open_browser() -> "Iterator[Browser]":
    """A browser that is closed at the end."""
    if reason := _missing():
        _skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def checked_pages(browser: "Browser", also: tuple[str, ...] = ()) -> "Iterator[OpenPage]":
    """A function that opens pages; they must log no errors and request nothing from elsewhere.

    It takes the address of the server, a query, a text that allowed errors contain, and options of
    a browser context. also: beginnings of further addresses that pages may request.
    """
    errors: list[str] = []
    contexts = []

    def open_page(url: str, query: str = "", *, expected: str = "", **options: Any) -> "Page":
        context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()

        def record(text: str) -> None:
            if not expected or expected not in text:
                errors.append(text)

        def check(address: str) -> None:
            if not address.startswith((url, *also)):
                errors.append(f"requested {address}")

        page.on("console", lambda message: record(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: check(request.url))
        page.goto(url + query)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == [], errors


def _missing() -> str | None:
    """Return why there is no browser, or None."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return None if CHROMIUM else "there is no chromium"


def _skip(reason: str) -> None:
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def read_axe() -> str:
    """The source of axe-core, which looks for what hinders people."""
    if not AXE.exists():
        _skip(f"axe-core is not installed: there is no {AXE.relative_to(ROOT)}")
    return AXE.read_text(encoding="utf-8")


def violations(page: "Page", axe: str) -> list[str]:
    """What axe-core objects to."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES
    )
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def take_screenshot(page: "Page", name: str) -> None:
    """Save what is visible, if `SCREENSHOTS` names a folder for it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
