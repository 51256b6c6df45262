"""Thousands of requests that lie: none makes the service fail, hang or take much memory."""

import gzip
import json
import os
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.service.api.openinference.requests import (
    LABELS,
    LATENTS,
    LENGTH,
    binary,
    error,
    images,
    labels,
    latents,
    post,
    wanted,
)
from tests.service.conftest import ClientOf

EXAMPLES = int(os.environ.get("FUZZ_CASES", "400")) // 4  # of each of four tests
BODY_BYTES = 64 * 1024
MAX_BYTES = 16 * 2**20  # for one such request: far more than it needs, far less than a bomb
LISTED = {400, 404, 413, 415, 429}
GOOD_BODY, GOOD_HEADERS = binary(wanted(), LATENTS, LABELS)
# Packed here, so that only the service can be what unpacks them.
PACKED = [
    pack(body)
    for body in (GOOD_BODY, bytes(MAX_BYTES * 2), b"[" * 10**6, b"")
    for pack in (gzip.compress, zlib.compress)
]

odd = st.sampled_from(
    [-1, 0, 1, 2, 5, 2**31, 2**63, 2**64, 10**400, 1.5, -2.0, True, None, "2", [], {}]
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none(), st.text(max_size=3)
)
data = st.one_of(
    odd,
    st.lists(numbers, max_size=12),
    st.lists(st.lists(numbers, max_size=6), max_size=3),
    st.recursive(numbers, lambda inner: st.lists(inner, max_size=3), max_leaves=20),
)
parameters = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "timeout", "x"]),
    odd,
    max_size=3,
)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["latents", "labels", "images", "", 3]),
        "datatype": st.sampled_from(["FP32", "INT64", "FP64", "BYTES", "BOOL", "", None]),
        "shape": st.one_of(odd, st.lists(odd, max_size=10)),
        "data": data,
        "parameters": st.one_of(odd, parameters),
    },
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.one_of(odd, st.lists(st.one_of(tensors, odd), max_size=4)),
        "outputs": st.one_of(odd, st.lists(st.one_of(tensors, odd), max_size=3)),
        "parameters": st.one_of(odd, parameters),
        "id": st.one_of(odd, st.text(max_size=5)),
    },
)
lengths = st.one_of(
    st.integers(-2, len(GOOD_BODY) + 2).map(str),
    st.sampled_from(["", "0x10", "1e2", "9" * 25, "-0", "1,1", str(2**63)]),
)
many = hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def small(client_of: ClientOf) -> Iterator[TestClient]:
    """A service of small bodies, whose memory is watched; afterwards it serves as before."""
    client = client_of(body_bytes=BODY_BYTES, images_per_request=8)
    tracemalloc.start()
    try:
        yield client
    finally:
        tracemalloc.stop()
    assert images(post(client, wanted())).shape == (2, 8, 12, 1)


def check(client: TestClient, body: bytes, headers: dict[str, str]) -> None:
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    response = post(client, body, headers)
    assert tracemalloc.get_traced_memory()[1] - before < MAX_BYTES
    if response.status_code == 200:
        images(response)
    else:
        assert response.status_code in LISTED, response.text
        error(response, response.status_code)


def test_objects_of_any_kind(small: TestClient) -> None:
    @many
    @given(changed=changes, length=st.none() | lengths)
    def run(changed: dict[str, Any], length: str | None) -> None:
        body = json.dumps(wanted() | changed).encode()
        check(small, body, {} if length is None else {LENGTH: length})

    run()


def test_tensors_of_any_kind(small: TestClient) -> None:
    @many
    @given(first=tensors, second=tensors, tail=st.binary(max_size=64))
    def run(first: dict[str, Any], second: dict[str, Any], tail: bytes) -> None:
        text = json.dumps({"inputs": [latents() | first, labels() | second]}).encode()
        check(small, text + tail, {LENGTH: str(len(text))})

    run()


def test_lengths_that_lie_and_bytes_that_are_changed(small: TestClient) -> None:
    @many
    @given(
        place=st.integers(0, len(GOOD_BODY)),
        cut=st.integers(0, 20),
        put=st.binary(max_size=20) | st.sampled_from([b"\xff", b"[" * 3000, b'"\\ud800"', b"NaN"]),
        length=st.just(GOOD_HEADERS[LENGTH]) | lengths,
    )
    def run(place: int, cut: int, put: bytes, length: str) -> None:
        check(small, GOOD_BODY[:place] + put + GOOD_BODY[place + cut :], {LENGTH: length})

    run()


def test_encodings_that_lie_and_bombs(small: TestClient) -> None:
    @many
    @given(
        said=st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip", ""]),
        packed=st.sampled_from(PACKED),
        cut=st.integers(0, 30),
    )
    def run(said: str, packed: bytes, cut: int) -> None:
        headers = {"content-encoding": said, LENGTH: GOOD_HEADERS[LENGTH]}
        check(small, packed[: len(packed) - cut], headers)

    run()
