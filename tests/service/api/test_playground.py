"""The files of the playground, over HTTP."""

import re

import pytest
from starlette.testclient import TestClient

from mirage.service.api.playground import MEDIA_TYPES, read_pages

MAX_BYTES = 210_000


def test_the_page_and_all_that_it_names_is_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page.text))
    for path in named:
        assert client.get(f"/{path}").status_code == 200
    assert {name for name in read_pages() if name.endswith(".js")} == {
        path.removeprefix("static/") for path in named if path.endswith(".js")
    }


def test_the_page_is_light() -> None:
    assert sum(len(page.body) for page in read_pages().values()) <= MAX_BYTES


def test_nothing_comes_from_other_hosts_or_stands_inline(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for name, page in read_pages().items():
        text = page.body.decode().replace("http://www.w3.org/", "")
        assert not re.search(r"https?://", text), name
        assert not re.search(r'<style|style="|\son[a-z]+="|<script(?![^>]* src=)', text), name
        assert "innerHTML" not in text, name


@pytest.mark.parametrize("path", ["/", "/static/main.js"])
def test_what_the_browser_has_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


@pytest.mark.parametrize("name", ["absent.js", "..%2fapp.py", "%2e%2e/app.py", ""])
def test_other_files_are_not_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_every_file_has_a_type_that_browsers_take() -> None:
    types = {page.media_type for page in read_pages().values()}
    assert types == set(MEDIA_TYPES.values())


def test_the_page_works_under_any_prefix(client: TestClient) -> None:
    """Nothing that it names begins with a slash."""
    assert not re.search(r'(?:src|href|action)="/', client.get("/").text)
    for name, page in read_pages().items():
        assert not re.search(
            r"""(?:ask|fetch|import|from|url)\s*\(?\s*["'`]/""", page.body.decode()
        ), name
