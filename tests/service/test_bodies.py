"""Reading bodies of any kind: what cannot be read is the client's fault, never the service's."""

import asyncio
import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from mirage.service.bodies import BODY_TYPES, JSON, NPY, OCTETS, Demand, read_demand
from mirage.service.errors import (
    BodyTooLarge,
    InvalidValue,
    LimitExceeded,
    Malformed,
    UnsupportedBody,
)
from mirage.service.schemas import GenerateRequest, InterpolateRequest
from mirage.service.settings import Settings

MOST = 10_000
SETTINGS = Settings(body_bytes=2 * MOST, json_bytes=MOST, json_items=5000)
FIELDS = sorted(GenerateRequest.model_fields)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def read(
    body: bytes | list[bytes], media: str | None = JSON, query: str = "", **headers: str
) -> Demand:
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

    return asyncio.run(read_demand(Request(scope, receive), SETTINGS))


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
