"""Errors are shown, and the page recovers by itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirage.service.api.security.auth import add_key
from tests.playground.conftest import PageOf
from tests.playground.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Shoot = Callable[["Page", str], None]
IMAGES = '[aria-label="Images"]:not([aria-busy]) img[src]'


@pytest.fixture
def own_server(models: Path) -> Iterator[Server]:
    """A server for a test that kills it."""
    server = Server(models)
    yield server
    server.kill()


def test_the_page_waits_for_an_unreachable_server(
    page_of: PageOf, own_server: Server, shoot: Shoot
) -> None:
    page = page_of("?seed=7&count=4", at=own_server.url, expected="net::ERR_")
    page.wait_for_selector(IMAGES)
    own_server.kill()
    page.click("#shuffle")
    page.wait_for_selector("#error-text:has-text('does not respond')")
    page.wait_for_selector("#status[data-status=unreachable]")
    shoot(page, "unreachable")
    own_server.start()
    page.wait_for_selector("#error", state="hidden")
    page.wait_for_selector(IMAGES)
    page.wait_for_selector("#status[data-status=ready]")


def test_a_rejected_request_is_retried_after_the_stated_time(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=4", expected="429")
    page.wait_for_selector(IMAGES)
    refusals = iter([2, 1])
    asked = []

    def refuse_twice(route: "Route") -> None:
        asked.append(route.request.post_data)
        wait_s = next(refusals, None)
        if wait_s is None:
            route.continue_()
            return
        problem = {"type": "urn:mirage:queue-full", "title": "The queue is full", "detail": "full"}
        route.fulfill(status=429, headers={"Retry-After": str(wait_s)}, body=json.dumps(problem))

    page.route("**/generate", refuse_twice)
    page.click("#shuffle")
    page.wait_for_selector("#error-text:has-text('busy')")
    shoot(page, "busy")
    page.wait_for_selector("#error", state="hidden")
    page.wait_for_selector(IMAGES)
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_other_errors_are_shown_with_the_message_of_the_server(page_of: PageOf) -> None:
    page = page_of("?seed=7&model=absent@1", expected="404")
    page.wait_for_selector("#error-text:has-text('absent')")
    page.select_option("#model-choice", "axes@1")
    page.wait_for_selector(IMAGES)
    assert page.is_hidden("#error")


def test_an_invalid_seed_is_reported_at_its_field(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    page.wait_for_selector(IMAGES)
    page.fill("#seed", "18446744073709551616")
    page.press("#seed", "Enter")
    page.wait_for_selector("#seed-hint:has-text('18446744073709551615')")
    assert "seed=7" in page.evaluate("location.search")


def test_the_page_asks_for_a_key_and_keeps_it_until_the_tab_is_closed(
    page_of: PageOf, models: Path, tmp_path: Path, shoot: Shoot
) -> None:
    key = add_key(tmp_path / "keys", "page")
    server = Server(models, "--keys-file", str(tmp_path / "keys"))
    try:
        page = page_of("?seed=7&count=4", at=server.url, expected="status of 40")
        page.fill("#key-text", "wrong")
        page.press("#key-text", "Enter")
        page.wait_for_selector("#key-reason:has-text('key is not, or no longer')")
        shoot(page, "key")
        page.fill("#key-text", key)
        page.press("#key-text", "Enter")
        page.wait_for_selector(IMAGES)
        page.reload()
        page.wait_for_selector(IMAGES)
        assert page.is_hidden("#key")
    finally:
        server.kill()
