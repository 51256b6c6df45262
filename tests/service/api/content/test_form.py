"""Forms: parts of any bytes, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.service.api.content.form import parse_form
from mirage.service.errors import InvalidValue, Malformed, ServiceError
from tests.service.helpers.pictures import form

TYPE = "multipart/form-data; boundary="
NAMED = 'Content-Disposition: form-data; name="{}"'


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.binary(), max_size=9))
def test_parts_come_back_as_they_were_sent(fields: dict[str, bytes]) -> None:
    boundary = "never-in-" + "the-bytes-of-a-part"
    parts = [(NAMED.format(name), value) for name, value in fields.items()]
    assert parse_form(form(boundary, *parts), TYPE + boundary) == fields


@pytest.mark.parametrize(
    "head",
    [
        'content-disposition: form-data; name="a"',
        "Content-Disposition: form-data; name=a",
        'Content-Type: image/png\r\nContent-Disposition: form-data; filename="b; name=c"; name="a"',
    ],
)
def test_names_are_found_however_they_are_written(head: str) -> None:
    assert parse_form(form("b", (head, b"\r\n-bytes")), TYPE + '"b"') == {"a": b"\r\n-bytes"}


def test_names_are_utf_8() -> None:
    assert parse_form(form("b", (NAMED.format("é\u2028"), b"1")), TYPE + "b") == {"é\u2028": b"1"}


def test_what_stands_before_the_first_boundary_is_passed_over() -> None:
    body = b"preamble\r\n" + form("b", (NAMED.format("a"), b"1")) + b"epilogue"
    assert parse_form(body, TYPE + "b") == {"a": b"1"}


def test_a_name_stands_once() -> None:
    with pytest.raises(InvalidValue, match="a is given twice"):
        parse_form(form("b", *[(NAMED.format("a"), b"")] * 2), TYPE + "b")


@pytest.mark.parametrize("boundary", ["", "b" * 71, "é", '"', "\x00"])
def test_boundaries_are_plain_and_short(boundary: str) -> None:
    with pytest.raises(Malformed):
        parse_form(b"--b--", TYPE + boundary)


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "none-such", "utf-8\0"])
def test_boundaries_of_charsets_that_are_none_are_malformed(charset: str) -> None:
    with pytest.raises(Malformed):
        parse_form(b"--\xff--", f"multipart/form-data; boundary*={charset}''%FF")


@given(st.binary(max_size=300), st.text(max_size=20))
def test_no_bytes_break_it(body: bytes, boundary: str) -> None:
    for content_type in (TYPE + "b", TYPE + boundary):
        try:
            fields = parse_form(b"--b\r\n" + body, content_type)
        except ServiceError:
            continue
        assert all(isinstance(value, bytes) for value in fields.values())
