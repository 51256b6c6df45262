"""Which type answers which Accept header."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.service.api.content.negotiation import (
    ANSWER_TYPES,
    JSON,
    MULTIPART,
    NPY,
    Layout,
    choose_frames_type,
    choose_type,
)
from mirage.service.errors import NotAcceptable
from mirage.service.media.encoding import PNG, WEBP, ZIP

JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "count", "layout", "media"),
    [
        (None, 1, None, PNG),
        ("", 1, None, PNG),
        ("*/*", 1, None, PNG),
        ("*/*", 3, None, ZIP),
        ("*/*", 3, "separate", ZIP),
        ("*/*", 3, "grid", PNG),
        ("*/*", 1, "grid", PNG),
        (PNG, 3, None, PNG),
        (PNG, 1, "separate", PNG),
        ("image/*", 3, None, PNG),
        ("image/*", 3, "grid", PNG),
        ("application/*", 1, None, ZIP),
        ("application/*", 2, "grid", JSON),
        ("multipart/*", 2, None, MULTIPART),
        (WEBP, 2, None, WEBP),
        (JSON, 2, "grid", JSON),
        (NPY, 1, None, NPY),
        ("IMAGE/PNG", 1, None, PNG),
        ("application/json; charset=utf-8", 1, None, JSON),
        (f"{JSON}, {PNG}", 1, None, PNG),
        (f"{NPY}, {MULTIPART}, {ZIP}", 1, None, ZIP),
        (f"{PNG};q=0.5, {JSON};q=0.9", 1, None, JSON),
        (f"{PNG} ; q=0.5 , {JSON} ; q=0.9", 1, None, JSON),
        (f"*/*, {JSON};q=0.1", 1, None, JSON),
        (f"{PNG};q=0, */*", 1, None, WEBP),
        (f"{ZIP};q=0, */*", 2, None, PNG),
        ("image/*;q=0, */*", 1, None, ZIP),
        (f"image/*;q=0, {WEBP}", 1, None, WEBP),
        (f"image/*;q=0, {WEBP};q=0.1, */*", 1, None, WEBP),
        ("*/*;q=0, application/*", 1, None, ZIP),
        (f"{PNG}, {ZIP};q=0.1", 3, "separate", ZIP),
        (f"{ZIP}, {WEBP};q=0.1", 3, "grid", WEBP),
        ("image/*;q=0.1, application/*;q=0.2", 1, None, ZIP),
        ("text/html, nonsense, ;;, image/png", 1, None, PNG),
        (BROWSER, 1, None, WEBP),
        (JAVA, 1, None, PNG),
        (JAVA, 3, None, ZIP),
        (f"{PNG};q=.5", 1, None, PNG),
        (f"{JSON};q=.2, {PNG};q=.5", 1, None, PNG),
        (f"{JSON};q=0.12345, {PNG};q = 0.2", 1, None, PNG),
        ("*", 1, None, PNG),
        ("*;q=0.1, text/html", 1, None, PNG),
        (",", 1, None, PNG),
        (" ", 1, None, PNG),
        (";q=0.5", 1, None, PNG),
        ("nonsense", 1, None, PNG),
        (f"{PNG};q=2", 1, None, PNG),
        (f"{PNG};q=high", 1, None, PNG),
        (f"{PNG};q=nan", 1, None, PNG),
        (f"{PNG};q", 1, None, PNG),
    ],
)
def test_the_type_is(accept: str | None, count: int, layout: Layout, media: str) -> None:
    assert choose_type(accept, count, layout) == media


@pytest.mark.parametrize(
    ("accept", "count", "layout"),
    [
        ("text/html", 1, None),
        ("*/*;q=0", 1, None),
        ("image/*, image/*;q=0", 1, None),
        ("image/gif", 1, None),
        (f"{PNG};q=0", 1, None),
        (f"{PNG};q=-1", 1, None),
        (f"{PNG};q=.0", 1, None),
        ("image/*", 2, "separate"),
        (PNG, 2, "separate"),
        (WEBP, 2, "separate"),
        (ZIP, 2, "grid"),
        (ZIP, 1, "grid"),
        (MULTIPART, 2, "grid"),
        (NPY, 2, "grid"),
        (f"{JSON};q=0, application/*", 2, "grid"),
    ],
)
def test_nothing_is_acceptable(accept: str, count: int, layout: Layout) -> None:
    with pytest.raises(NotAcceptable, match="allowed are"):
        choose_type(accept, count, layout)


@given(st.text(max_size=80), st.integers(1, 3), st.sampled_from([None, "separate", "grid"]))
def test_any_header_has_an_answer(accept: str, count: int, layout: Layout) -> None:
    with contextlib.suppress(NotAcceptable):
        assert choose_type(accept, count, layout) in ANSWER_TYPES


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, ZIP),
        ("*/*", ZIP),
        ("image/*", "image/gif"),
        ("image/gif;q=0, image/*", "image/apng"),
        (f"{WEBP}, {ZIP}", ZIP),
        (f"{WEBP}, {ZIP};q=0.9", WEBP),
        (f"image/png, {WEBP};q=0.1", WEBP),
        (BROWSER, WEBP),
        (JAVA, "image/gif"),
        (",", ZIP),
        ("*", ZIP),
    ],
)
def test_frames_follow_the_same_rules(accept: str | None, media: str) -> None:
    assert choose_frames_type(accept) == media


def test_a_type_that_is_named_and_refused_is_refused() -> None:
    with pytest.raises(NotAcceptable, match="for frames allowed are application/zip, image/gif"):
        choose_frames_type("image/gif, image/gif;q=0, image/png")
    with pytest.raises(NotAcceptable):
        choose_type("image/png, image/png;q=0", 1, None)
