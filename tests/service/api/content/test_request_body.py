"""Reading bodies of any kind: what cannot be read is the client's fault, never the service's."""

import asyncio
import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Message

from mirage.service.api.content.request_body import (
    BODY_TYPES,
    JSON,
    NPY,
    OCTETS,
    _validated,
    read_input,
)
from mirage.service.errors import (
    BodyTooLarge,
    InvalidValue,
    LimitExceeded,
    Malformed,
    UnsupportedBody,
)
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateInput
from mirage.service.tasks.requests import MAX_MEMBERS, GenerateRequest, InterpolateRequest

MOST = 10_000
SETTINGS = Settings(body_bytes=2 * MOST, json_bytes=MOST, json_items=3000)
FIELDS = sorted(GenerateRequest.model_fields)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def read(
    body: bytes | list[bytes], media: str | None = JSON, query: str = "", **headers: str
) -> GenerateInput:
    """Read a request whose body comes in one chunk or in several."""
    chunks = [body] if isinstance(body, bytes) else body
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    if media is not None:
        headers["content-type"] = media
    if len(chunks) == 1:
        headers.setdefault("content_length", str(len(chunks[0])))
    elif "content_length" not in headers:
        headers["transfer_encoding"] = "chunked"
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/generate",
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    }

    async def receive() -> Message:
        return messages.pop(0)

    return asyncio.run(read_input(Request(scope).headers, scope["query_string"], receive, SETTINGS))


def read_or_refuse(*arguments: Any, **options: Any) -> None:
    """Every refusal is one of the client's faults; any other error fails the test."""
    with contextlib.suppress(BodyTooLarge, InvalidValue, Malformed, UnsupportedBody):
        read(*arguments, **options)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), json_values))
def test_any_json_object_is_read_or_refused(fields: dict[str, Any]) -> None:
    read_or_refuse(json.dumps(fields).encode())


@given(st.binary(max_size=200), st.sampled_from([None, *BODY_TYPES]), st.text(max_size=40))
def test_any_bytes_are_read_or_refused(body: bytes, media: str | None, query: str) -> None:
    read_or_refuse(body, media, query)


@given(st.binary(max_size=120))
def test_any_npy_header_is_read_or_refused(header: bytes) -> None:
    length = len(header).to_bytes(2, "little")
    read_or_refuse(b"\x93NUMPY\x01\x00" + length + header, NPY)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body_is_an_empty_object(body: bytes) -> None:
    assert read(body).fields == GenerateRequest()


def test_no_body_needs_no_type() -> None:
    assert read(b"", None).fields == GenerateRequest()


def test_null_counts_as_absent() -> None:
    assert read(b'{"seed": null, "labels": null, "count": null}').fields == GenerateRequest()


def test_of_a_repeated_key_the_last_counts() -> None:
    assert read(b'{"seed": 1, "seed": 2}').fields.seed == 2


@pytest.mark.parametrize("text", ["7", '"7"', '"007"'])
def test_a_seed_is_an_integer_or_a_decimal_string(text: str) -> None:
    assert read(b'{"seed": %s}' % text.encode()).fields.seed == 7


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_type_is_read_without_case_and_parameters(media: str) -> None:
    assert read(b'{"count": 3}', media).fields.count == 3


def test_octets_are_little_endian_floats_and_the_query_holds_the_fields() -> None:
    demand = read(
        np.array([1, -2], "<f4").tobytes(), OCTETS, "labels=1,cat&truncation=.5&version=2&model=a"
    )
    assert demand.latents is not None
    assert demand.latents.tolist() == [1, -2]
    assert demand.labels_are_text
    assert demand.fields == GenerateRequest(
        labels=["1", "cat"], truncation=0.5, version=2, model="a"
    )


def test_a_body_is_counted_while_it_comes() -> None:
    with pytest.raises(BodyTooLarge, match=f"at most {MOST} are allowed"):
        read([b" " * 6000] * 2)
    with pytest.raises(BodyTooLarge):
        read([b" " * 6000] * 2, content_length="5")


def test_json_may_be_shorter_than_latents_and_is_told_so() -> None:
    for body in ([b" " * 6000] * 2, b" " * 10_001):
        with pytest.raises(
            BodyTooLarge, match="at most 10000 are allowed of JSON; latents may be "
        ):
            read(body)
    demand = read(b"\0" * 2 * MOST, OCTETS)
    assert demand.latents is not None
    with pytest.raises(BodyTooLarge, match=r"at most 20000 are allowed$"):
        read(b"\0" * (2 * MOST + 4), NPY)


@pytest.mark.parametrize(
    "values",
    [b"[" + b"1," * 2999 + b"1]", b"[" * 3001, b"[]" * 1501, b'{"a":' * 1501, b"{},{}," * 999],
)
def test_json_of_too_many_values_is_not_parsed(values: bytes) -> None:
    with pytest.raises(LimitExceeded, match="commas, colons and brackets; at most 3000 are allow"):
        read(b'{"x": ' + values)


@pytest.mark.parametrize("depth", [250, 1000])
def test_deep_json_is_malformed(depth: int) -> None:
    with pytest.raises(Malformed, match="recursion limit exceeded"):
        read(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"latents": ["bad"] * 257}, "latents are a list of 257; at most 256 are allowed"),
        ({"labels": [None] * 300}, "labels are a list of 300; at most 256 are allowed"),
    ],
)
def test_a_list_is_counted_before_its_items_are_looked_at(
    fields: dict[str, Any], names: str
) -> None:
    with pytest.raises(LimitExceeded, match=names):
        read(json.dumps(fields).encode())


def test_directions_are_counted_before_they_are_looked_at() -> None:
    with pytest.raises(InvalidValue, match="directions is an object of 65; at most 64 are allowed"):
        read(json.dumps({"directions": {f"bad{n}": "bad" for n in range(65)}}).encode())
    with pytest.raises(InvalidValue, match="directions are 65; at most 64 are allowed"):
        read(b"", OCTETS, "directions=" + ",".join(["bad"] * 65))


def test_of_an_object_with_too_many_members_the_first_ones_are_looked_at() -> None:
    fields = {f"x{n}": 0 for n in range(300)}
    seen = GenerateRequest.__pydantic_validator__
    with pytest.raises(ValidationError) as caught:
        seen.validate_python(fields)
    assert caught.value.error_count() == MAX_MEMBERS
    with pytest.raises(ValidationError) as caught:
        InterpolateRequest.model_validate({"points": [fields] * 256})
    assert caught.value.error_count() == MAX_MEMBERS  # those of the first point


def test_the_first_bad_point_ends_the_check() -> None:
    with pytest.raises(ValidationError) as caught:
        InterpolateRequest.model_validate({"points": [{"seed": 1}, *[{"seed": "x"}] * 200]})
    assert [error["loc"] for error in caught.value.errors()] == [("points", 1, "seed")]


def test_a_query_of_too_many_parameters_is_not_read() -> None:
    with pytest.raises(InvalidValue, match="the query has 33 parameters; at most 32 are allowed"):
        read(b"", OCTETS, "&" * 32)


def test_a_number_of_thousands_of_digits_is_a_wrong_value() -> None:
    digits = b"9" * 4300
    for name in ("count", "index", "seed", "version", "labels", "truncation"):
        with contextlib.suppress(InvalidValue):
            read(b'{"%s": %s}' % (name.encode(), digits))
    fields = {"points": [{"seed": 1}, {"seed": 2}], "steps": int(digits)}
    with pytest.raises(InvalidValue, match="steps is 9999"):
        _validated(fields, InterpolateRequest, SETTINGS)


@pytest.mark.parametrize("shape", [(2**62, 0), (0, 2**63 - 1), (0, 5), (10**300, 0)])
def test_a_npy_of_no_values_is_a_wrong_value_whatever_its_shape(shape: tuple[int, int]) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(InvalidValue, match="latents are '<f4' of shape"):
        read(body, NPY)


@pytest.mark.parametrize(
    "media",
    ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "multipart/form-data"],
)
def test_no_body_is_an_empty_object_whatever_its_type(media: str) -> None:
    assert read(b"", media).fields == GenerateRequest()
    with pytest.raises(UnsupportedBody, match="Content-Type is"):
        read(b"{}", media)
    with pytest.raises(UnsupportedBody, match="Content-Type is"):
        read([b"", b""], media)


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b'\xef\xbb\xbf{"seed": 7}').fields.seed == 7


@pytest.mark.parametrize("name", ["seed", "index"])
def test_the_largest_seed_is_told_to_the_digit(name: str) -> None:
    with pytest.raises(
        InvalidValue, match=f"{name} is 18446744073709551616; .* 1844674407370955161"
    ):
        read(b'{"%s": 18446744073709551616}' % name.encode())


def test_an_announced_body_over_the_limit_is_not_even_read() -> None:
    with pytest.raises(BodyTooLarge, match="has 10001 bytes"):
        read([], content_length="10001")


def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedBody, match="gzip"):
        read(b"{}", content_encoding="gzip")


def test_thousands_of_bad_latents_are_one_error() -> None:
    rows = [["x"] * 50] * 20
    with pytest.raises(InvalidValue) as caught:
        read(json.dumps({"latents": rows}).encode())
    assert [error["loc"] for error in caught.value.errors] == [["latents", 0, 0]]


def test_many_bad_fields_are_cut_short() -> None:
    with pytest.raises(InvalidValue) as caught:
        read(json.dumps({f"x{n}": 0 for n in range(300)}).encode())
    assert len(caught.value.errors) == 20


def test_a_huge_value_is_not_sent_back() -> None:
    with pytest.raises(InvalidValue) as caught:
        read(json.dumps({"layout": "x" * 9000, "y" * 500: 1}).encode())
    assert len(caught.value.detail) < 1000


def test_not_a_number_is_malformed_wherever_it_stands() -> None:
    for body in (b'{"x": NaN}', b"[-Infinity]", b"NaN"):
        with pytest.raises(Malformed):
            read(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "the body is a list of 0; a JSON object is allowed"),
        (b"null", "the body is null; a JSON object is allowed"),
        (b'{"version": %s}' % (b"9" * 4000), "version is 9999"),
    ],
)
def test_values_are_told_in_short_and_plain_words(body: bytes, words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as error:
        read(body)
    assert len(error.value.detail) < 200
