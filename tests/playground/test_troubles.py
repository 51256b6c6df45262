"""What goes wrong is said in words, and the page goes on by itself."""

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
WALL = '[aria-label="Wall"]:not([aria-busy]) img[src]'


@pytest.fixture
def mortal(models: Path) -> Iterator[Server]:
    """A server of its own for a test that kills it."""
    server = Server(models)
    yield server
    server.kill()


def test_a_server_that_is_gone_is_waited_for(page_of: PageOf, mortal: Server, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=4", at=mortal.url, expected="net::ERR_")
    page.wait_for_selector(WALL)
    mortal.kill()
    page.click("#shuffle")
    page.wait_for_selector("#trouble-text:has-text('does not answer')")
    page.wait_for_selector("#condition[data-condition=gone]")
    shoot(page, "gone")
    mortal.start()
    page.wait_for_selector("#trouble", state="hidden")
    page.wait_for_selector(WALL)
    page.wait_for_selector("#condition[data-condition=ready]")


def test_a_busy_server_is_asked_again_when_it_says(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=4", expected="429")
    page.wait_for_selector(WALL)
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
    page.wait_for_selector("#trouble-text:has-text('busy')")
    shoot(page, "busy")
    page.wait_for_selector("#trouble", state="hidden")
    page.wait_for_selector(WALL)
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_what_the_server_refuses_for_good_is_said_in_its_words(page_of: PageOf) -> None:
    page = page_of("?seed=7&model=absent@1", expected="404")
    page.wait_for_selector("#trouble-text:has-text('absent')")
    page.select_option("#model-choice", "axes@1")
    page.wait_for_selector(WALL)
    assert page.is_hidden("#trouble")


def test_a_wrong_seed_is_told_at_its_field(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    page.wait_for_selector(WALL)
    page.fill("#seed", "18446744073709551616")
    page.press("#seed", "Enter")
    page.wait_for_selector("#seed-hint:has-text('18446744073709551615')")
    assert "seed=7" in page.evaluate("location.search")


def test_a_key_is_asked_for_and_kept_until_the_tab_closes(
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
        page.wait_for_selector(WALL)
        page.reload()
        page.wait_for_selector(WALL)
        assert page.is_hidden("#key")
    finally:
        server.kill()
