"""Models of sounds and sequences in a real browser."""

import json
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.generators import ToySequences, ToySounds, publish_generator
from tests.playground.conftest import PageOf
from tests.playground.server import Server
from tests.playground.test_views import Shoot, asked, link_of, sources

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWN = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    .data.some(value => value > 0)"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """speech makes sounds, dna sequences, and toy images."""
    root = tmp_path_factory.mktemp("models")
    publish_generator(root, ToySounds(length=8000), "speech")
    publish_generator(root, ToySequences(labels=()), "dna")
    make_bundle(root, "toy")
    for name in ("speech", "dna", "toy"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> "object":
    server = Server(root)
    yield server
    server.kill()


def items(page: "Page", title: str) -> list[str]:
    """Return the texts of a list, once it is there."""
    page.wait_for_selector(f'ol[aria-label="{title}"]:not([aria-busy]) button')
    return [text.strip() for text in page.locator(f'ol[aria-label="{title}"] li').all_inner_texts()]


def test_sequences_are_listed_as_the_service_makes_them(
    page_of: PageOf, server: Server, shoot: Shoot
) -> None:
    page = page_of("?model=dna@1&seed=7&count=9")
    body = json.dumps({"model": "dna", "seed": 7, "count": 9})
    expected = asked(server, body).decode().splitlines()
    shown = items(page, "Sequences")
    assert [text.split()[0] for text in shown] == expected
    assert shown[3].split()[1] == "7·3"
    shoot(page, "sequences")


def test_a_sequence_is_copied(page_of: PageOf) -> None:
    page = page_of("?model=dna@1&seed=7&count=9", permissions=["clipboard-read", "clipboard-write"])
    text = items(page, "Sequences")[2].split()[0]
    page.locator(".items button").nth(2).click()
    page.wait_for_function("() => document.getElementById('action-status').textContent !== ''")
    assert page.evaluate("navigator.clipboard.readText()") == text


def test_sounds_have_a_waveform_and_play(page_of: PageOf, shoot: Shoot) -> None:
    page = page_of("?model=speech@1&seed=7&count=4")
    assert len(items(page, "Sounds")) == 4
    page.wait_for_function(f"() => ({DRAWN})(document.querySelector('.items canvas'))")
    play = page.locator(".items button").first
    play.click()
    page.wait_for_selector('.items button[aria-pressed="true"]')
    page.wait_for_selector('.items button[aria-pressed="false"] >> nth=3')  # it has ended
    shoot(page, "sounds")


def test_arrows_move_between_sounds(page_of: PageOf) -> None:
    page = page_of("?model=speech@1&seed=7&count=4")
    items(page, "Sounds")
    page.locator(".items button").first.focus()
    focused = "[...document.querySelectorAll('.items button')].indexOf(document.activeElement)"
    places = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "End", "ArrowRight", "Home"):
        page.keyboard.press(key)
        places.append(page.evaluate(focused))
    assert places == [1, 2, 1, 3, 0, 0]
    page.keyboard.press("Enter")
    page.wait_for_selector('.items button[aria-pressed="true"]')


@pytest.mark.parametrize(("model", "suffix"), [("speech", ".wav"), ("dna", ".txt")])
def test_all_are_downloaded(page_of: PageOf, tmp_path: Path, model: str, suffix: str) -> None:
    page = page_of(f"?model={model}@1&seed=7&count=4")
    page.wait_for_selector(".items button")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all 4 (ZIP)").click()
    path = tmp_path / "all.zip"
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{model}-1-7-{index}{suffix}" for index in range(4)]


def test_views_of_images_are_not_offered(page_of: PageOf) -> None:
    page = page_of("?tab=walk&model=speech@1&seed=7")
    items(page, "Sounds")
    assert "tab=walk" not in link_of(page)
    assert tabs(page) == ["Models", "Generate", "Model card"]
    page = page_of("?tab=explore&model=dna@1&seed=7")
    items(page, "Sequences")
    assert "tab=explore" not in link_of(page)
    assert tabs(page) == ["Models", "Generate", "Walk", "Model card"]


def tabs(page: "Page") -> list[str]:
    texts = page.locator('[role="tab"]:visible').all_inner_texts()
    return [text.strip() for text in texts]


def test_a_walk_lists_its_steps_and_marks_what_changed(
    page_of: PageOf, server: Server, shoot: Shoot
) -> None:
    page = page_of("?tab=walk&model=dna@1&seed=7&points=7.0,9.0&steps=5")
    points = [{"seed": seed, "index": 0} for seed in (7, 9)]
    body = json.dumps({"model": "dna", "points": points, "steps": 5})
    expected = asked(server, body, "text/plain", "interpolate").decode().splitlines()
    shown = [text.split() for text in items(page, "Sequences")]
    assert [text[0] for text in shown] == expected
    assert [" ".join(text[1:]) for text in shown] == [
        "7·0", "step 1", "step 2", "step 3", "step 4", "9·0",
    ]  # fmt: skip
    for number, (before, after) in enumerate(pairwise(expected), start=1):
        marks = page.locator(".items li").nth(number).locator("mark").all_inner_texts()
        differing = [b for a, b in zip(before, after, strict=True) if a != b]
        assert "".join(marks) == "".join(differing)
    assert page.locator(".items mark").count() > 0
    assert page.locator(".items li").first.locator("mark").count() == 0
    assert "steps=5" in link_of(page)
    shoot(page, "walk-of-sequences")


def test_a_walk_of_images_follows_one_of_sequences(page_of: PageOf) -> None:
    page = page_of("?tab=walk&model=dna@1&seed=7")
    assert len(items(page, "Sequences")) == 3 * 16 + 1
    page.select_option("#model-choice", "toy@1")
    page.wait_for_selector("#walk .timeline", state="visible")
    assert page.locator(".items:visible").count() == 0
    page.select_option("#model-choice", "dna@1")
    assert len(items(page, "Sequences")) == 3 * 16 + 1
    assert page.locator("#walk .timeline:visible").count() == 0


def test_models_of_each_kind_follow_each_other(page_of: PageOf) -> None:
    page = page_of("?model=dna@1&seed=7&count=4")
    items(page, "Sequences")
    page.select_option("#model-choice", "toy@1")
    assert len(sources(page)) > 0
    assert page.locator(".items:visible").count() == 0
    page.select_option("#model-choice", "speech@1")
    assert len(items(page, "Sounds")) > 0
    assert page.locator('[aria-label="Images"]:visible').count() == 0


def test_a_class_makes_other_sounds(page_of: PageOf) -> None:
    page = page_of("?model=speech@1&seed=7&count=4")
    items(page, "Sounds")
    page.locator("#classes label", has_text="high").click()
    page.wait_for_function(
        "() => document.querySelectorAll('.items li').length === 4"
        " && [...document.querySelectorAll('.items li')]"
        ".every(item => item.textContent.includes('high'))"
    )


def test_the_list_of_models_and_the_card_tell_what_they_make(page_of: PageOf) -> None:
    page = page_of("?tab=gallery")
    page.wait_for_selector(".model-card")
    cards = " ".join(page.locator(".model-card").all_inner_texts())
    assert "makes sounds" in cards
    assert "makes sequences" in cards
    page = page_of("?tab=model&model=speech@1")
    page.wait_for_selector(".lead")
    lead = "Sounds of 1.00 s at 8,000 Hz, of 2 classes: low, high."
    assert page.text_content(".lead") == lead
