"""Heads that were read before are not read again."""

import pytest

from mirage.service import heads
from mirage.service.errors import UnsupportedBody
from mirage.service.heads import Head, Heads

SCOPE = {"query_string": b"labels=3&x=", "headers": [(b"accept", b"a/b"), (b"accept", b"c/d")]}


def start(*lines: str) -> bytes:
    return "\r\n".join(("POST /generate HTTP/1.1", *lines, "", "")).encode()


@pytest.fixture
def known() -> Heads:
    return Heads()


def test_a_head_says_its_headers_and_its_query() -> None:
    head = Head.of(SCOPE)
    assert head.headers == {"accept": "a/b,c/d"}
    assert head.query == [("labels", "3"), ("x", "")]
    assert head.body_type is None


def test_a_body_type_that_is_refused_is_refused_each_time() -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    head = Head.of({**SCOPE, "headers": headers})
    for _ in range(2):
        with pytest.raises(UnsupportedBody, match="'text/plain'"):
            _ = head.body_type


def test_a_known_head_is_found_with_whatever_body_of_its_length(known: Heads) -> None:
    head = Head.of(SCOPE)
    assert known.find(start("a: b") + b"{}") is None
    known.learn(start("a: b") + b"{}", head, 2)
    assert known.find(start("a: b") + b"xy") == (head, len(start("a: b")))
    assert known.find(start("a: b")) is None
    assert known.find(start("a: b") + b"xyz") is None
    assert known.find(start("a: c") + b"{}") is None


def test_an_end_of_lines_in_the_body_is_the_bodys(known: Heads) -> None:
    known.learn(start() + heads.END, Head.of(SCOPE), len(heads.END))
    found = known.find(start() + heads.END)
    assert found is not None
    assert found[1] == len(start())


@pytest.mark.parametrize(
    ("data", "body_bytes"),
    [
        (start("a: b")[:-1], 0),
        (start() + b"{}\r\n", 2),
        (start("a: " + "x" * heads.LONGEST_BYTES), 0),
        (heads.END + start() + b"{}", 2),
    ],
    ids=["not whole", "more behind it", "long", "blank lines before it"],
)
def test_what_is_not_one_short_head_and_its_body_is_not_learnt(
    known: Heads, data: bytes, body_bytes: int
) -> None:
    known.learn(data, Head.of(SCOPE), body_bytes)
    assert known.find(data) is None


@pytest.mark.parametrize("name", sorted(heads.UNLIKE))
def test_nor_are_heads_that_ask_for_more(known: Heads, name: str) -> None:
    known.learn(start(), Head.of({**SCOPE, "headers": [(name.encode(), b"x")]}), 0)
    assert known.find(start()) is None


def test_nor_are_those_of_many_headers(known: Heads) -> None:
    many = [(b"x-%d" % number, b"") for number in range(heads.MOST_HEADERS + 1)]
    known.learn(start(), Head.of({**SCOPE, "headers": many}), 0)
    assert known.find(start()) is None


def test_those_that_came_first_go_first(known: Heads) -> None:
    for number in range(heads.MOST_HEADS + 1):
        known.learn(start(f"a: {number}"), Head.of(SCOPE), 0)
    assert known.find(start("a: 0")) is None
    assert known.find(start("a: 1")) is not None
    assert known.find(start(f"a: {heads.MOST_HEADS}")) is not None
