"""The action bar, the history and the gallery in a real browser."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mirage.bundle.store.release import release
from tests.bundles import Toy, make_bundle
from tests.playground.conftest import PageOf, ServerOf, publish_toy
from tests.playground.server import Server
from tests.playground.test_views import asked, link_of, png_of, shuffle, sources

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shoot = Callable[["Page", str], None]
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
COLUMNS = (
    "getComputedStyle(document.querySelector('.frames')).gridTemplateColumns.split(' ').length"
)
DONE = "#action-status:not(:empty)"


def pressed(page: "Page", text: str) -> bytes:
    """Press a button of the action bar, and return the file that the page saves."""
    with page.expect_download() as download:
        page.click(f"#action-buttons button:has-text('{text}')")
    return download.value.path().read_bytes()


def copied(page: "Page", language: str) -> str:
    """Copy code, and return what the clipboard holds."""
    page.click(f"#action-buttons button:text-is('{language}')")
    page.wait_for_selector(f"#action-status:has-text('Copied as {language}')")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_all_images_are_saved_with_their_requests(page_of: PageOf, server: Server) -> None:
    page = page_of("?seed=7&count=4")
    images = sources(page)
    with zipfile.ZipFile(io.BytesIO(pressed(page, "Download all 4"))) as archive:
        assert archive.testzip() is None
        names = [f"toy-1-7-{index}.png" for index in range(4)]
        assert archive.namelist() == [*names, "requests.json"]
        assert [archive.read(name) for name in names] == [png_of(image) for image in images]
        requests = json.loads(archive.read("requests.json"))
    assert requests[2].pop("file") == "toy-1-7-2.png"
    assert asked(server, json.dumps(requests[2])) == png_of(images[2])


def test_a_copied_link_shows_the_same_images(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4", **CLIPBOARD)
    images = sources(page)
    page.click("#action-buttons button:has-text('Copy link')")
    page.wait_for_selector(DONE)
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    assert sources(page_of("?" + link.partition("?")[2])) == images


@pytest.mark.parametrize("language", ["curl", "Python"])
@pytest.mark.parametrize(
    ("query", "name", "count"),
    [
        ("?seed=7&count=4&class=3&truncation=0.5", "toy-1-7.zip", 4),
        ("?tab=explore&seed=7&at=2&moves=1:1.5", "toy-1-7-2.png", 1),
    ],
    ids=["grid", "moved"],
)
def test_copied_code_saves_what_is_shown(
    page_of: PageOf, tmp_path: Path, language: str, query: str, name: str, count: int
) -> None:
    page = page_of(query, **CLIPBOARD)
    page.wait_for_selector("#action-buttons")
    page.wait_for_load_state("networkidle")
    code = copied(page, language)
    shell = ["bash", "-c", code] if language == "curl" else [sys.executable, "-c", code]
    subprocess.run(shell, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    saved = (tmp_path / name).read_bytes()
    if count > 1:
        with zipfile.ZipFile(io.BytesIO(saved)) as archive:
            files = [archive.read(entry) for entry in archive.namelist()]
        assert files == [png_of(image) for image in sources(page)]
    else:
        assert saved == pressed(page, "Download PNG")


def test_javascript_is_copied_with_the_request(page_of: PageOf, server: Server) -> None:
    page = page_of("?seed=7&count=1", **CLIPBOARD)
    sources(page)
    code = copied(page, "JavaScript")
    assert f'await fetch("{server.url}generate"' in code
    assert 'body: JSON.stringify({"model":"toy","version":1,"seed":"7","count":1})' in code


def test_without_a_clipboard_the_code_is_shown_to_be_copied(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=1")
    sources(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click("#action-buttons button:text-is('curl')")
    page.wait_for_selector("#code[open] pre")
    assert page.evaluate("getSelection().toString()").startswith("curl --fail-with-body -X POST")


def test_the_history_leads_back_and_is_exported(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?seed=7&count=4")
    first = sources(page)
    shuffle(page)
    assert sources(page) != first
    page.click("#action-buttons button:has-text('History')")
    assert page.locator(".entries li").count() == 2
    shoot(page, "history")
    with page.expect_download() as download:
        page.click("#history button:has-text('Export')")
    entries = json.loads(download.value.path().read_text())
    assert [entry["title"].split(" · ")[0] for entry in entries] == ["toy@1", "toy@1"]
    assert "seed=7" in entries[1]["link"]
    page.click(".entries li >> nth=1 >> a")
    page.wait_for_selector(f'[aria-label="Images"] img[src="{first[0]}"]')
    assert sources(page) == first


def test_favourites_are_exported(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    images = sources(page)
    page.click("#generate .frame >> nth=2")
    page.click("#viewer-favourite")
    page.click("#viewer-close")
    with page.expect_download() as download:
        page.click(".favourites button:has-text('Export')")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read("toy-1-7-2.png") == png_of(images[2])


def test_images_of_another_seed_are_removed_at_once(page_of: PageOf) -> None:
    page = page_of("?seed=7&count=4")
    sources(page)
    page.route("**/generate", lambda route: None)  # the answer never comes
    page.click("#shuffle")
    page.wait_for_selector("#generate .caption:has-text('0 of 4')")
    assert page.locator("#generate .frame img[src]").count() == 0


def test_a_server_without_a_default_opens_on_all_models(
    page_of: PageOf, server_of: ServerOf, models: Path, shoot: Shoot
) -> None:
    page = page_of(at=server_of(models, default=None).url)
    page.wait_for_selector("#cover-toy img")
    assert "tab=gallery" in link_of(page)
    assert page.locator(".gallery li").count() == 4
    shoot(page, "gallery")
    page.click(".gallery button:has-text('axes')")
    sources(page)
    assert "model=axes@1" in link_of(page)


def test_the_default_model_opens_without_a_link(page_of: PageOf) -> None:
    page = page_of()
    sources(page)
    assert "model=toy@1" in link_of(page)


def test_an_empty_folder_of_models_is_not_called_ready(
    page_of: PageOf, server_of: ServerOf, tmp_path: Path, shoot: Shoot
) -> None:
    page = page_of(at=server_of(tmp_path, default=None).url)
    page.wait_for_selector("#gallery h2:has-text('no model yet')")
    page.wait_for_selector("#status[data-status=empty]")
    assert page.inner_text("#status") == "no model"
    shoot(page, "empty")


def test_a_thousand_classes_are_searched(
    page_of: PageOf, server_of: ServerOf, tmp_path: Path
) -> None:
    labels = tuple(f"class {number:03d}" for number in range(1000))
    make_bundle(tmp_path, "toy", labels=labels)
    release(tmp_path, "toy", 1)
    server = server_of(tmp_path)
    page = page_of("?seed=7&count=4", at=server.url)
    sources(page)
    page.fill("#classes input", "742")
    page.press("#classes input", "Enter")
    page.wait_for_selector('.caption:has-text("class class 742")')
    page.fill("#classes input", "no such")
    page.press("#classes input", "Enter")
    assert page.get_attribute("#classes input", "aria-invalid") == "true"


def test_every_row_is_full(page_of: PageOf) -> None:
    for width in (390, 1024, 1440, 2560):
        page = page_of("?seed=7&count=36", viewport={"width": width, "height": 900})
        sources(page)
        columns = page.evaluate(COLUMNS)
        assert 36 % columns == 0
        page.context.close()


def test_large_images_are_shown_at_their_size(
    page_of: PageOf, server_of: ServerOf, tmp_path: Path
) -> None:
    publish_toy(tmp_path, "toy", Toy(labels=(), channels=3, height=256, width=256))
    release(tmp_path, "toy", 1)
    server = server_of(tmp_path)
    page = page_of("?seed=7&count=16", at=server.url, viewport={"width": 1440, "height": 900})
    with Image.open(io.BytesIO(png_of(sources(page)[0]))) as image:
        assert image.size == (256, 256)
    assert page.evaluate("document.querySelector('.frame img').offsetWidth") == 256
