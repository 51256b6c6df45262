"""Answers: the JSON object, and the pixels in it or behind it."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mirage.bundle.format.manifest import Manifest, parse_manifest
from mirage.service.api.openinference.codec import (
    HEADER_LENGTH,
    Form,
    compress,
    decompress,
    pack,
    parse_request,
    request_encoding,
    response_encoding,
)
from mirage.service.errors import (
    BodyTooLarge,
    InvalidValue,
    LimitExceeded,
    Malformed,
    UnsupportedBody,
)
from mirage.service.settings import Settings
from tests.service.api.openinference.requests import (
    LABELS,
    LATENTS,
    LENGTH,
    binary,
    labels,
    latents,
    wanted,
)

IMAGES = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)


@pytest.fixture(scope="module")
def manifest(models_root: object) -> Manifest:
    return parse_manifest((models_root / "toy" / "1" / "manifest.json").read_bytes())  # type: ignore[operator]


def test_every_value_of_a_pixel_is_a_json_number(manifest: Manifest) -> None:
    packed = pack(IMAGES, manifest, Form("7", binary=False, encoding=None))
    assert packed.headers == {"Content-Type": "application/json"}
    assert json.loads(packed.body) == {
        "model_name": "toy",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {
                "name": "images",
                "datatype": "UINT8",
                "shape": [2, 8, 16, 1],
                "data": list(range(256)),
            }
        ],
    }


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, ::2], IMAGES[:1]])
def test_binary_pixels_follow_the_json(manifest: Manifest, images: np.ndarray) -> None:
    packed = pack(images, manifest, Form(None, binary=True, encoding=None))
    length = int(packed.headers[LENGTH])
    (output,) = json.loads(packed.body[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": images.nbytes}
    assert packed.body[length:] == images.tobytes()


def test_the_length_is_that_before_compression(manifest: Manifest) -> None:
    plain = pack(IMAGES, manifest, Form(None, binary=True, encoding=None))
    packed = pack(IMAGES, manifest, Form(None, binary=True, encoding="gzip"))
    assert packed.headers[HEADER_LENGTH] == plain.headers[HEADER_LENGTH]
    assert packed.headers["Content-Encoding"] == "gzip"


BODY = bytes(range(256)) * 40
MIB = 2**20
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", PACK)
def test_both_ways(encoding: str) -> None:
    assert decompress(PACK[encoding](BODY), encoding, len(BODY)) == BODY
    assert decompress(compress(BODY, encoding), encoding, len(BODY)) == BODY


@pytest.mark.parametrize("encoding", PACK)
def test_what_others_write_is_read_by_python_s_own(encoding: str) -> None:
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}[encoding]
    assert unpack(compress(BODY, encoding)) == BODY


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_takes_no_more_memory_than_the_limit(encoding: str) -> None:
    bomb = PACK[encoding](bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge, match=f"more than {MIB} bytes"):
            decompress(bomb, encoding, MIB)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", PACK)
def test_what_is_broken_is_malformed(encoding: str) -> None:
    packed = PACK[encoding](BODY)
    for broken in (b"", b"{}", packed[:-1], packed[:20], packed + b"x", packed[:30] + b"\0" * 50):
        with pytest.raises(Malformed):
            decompress(broken, encoding, len(BODY))


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (None, None),
        ("identity", None),
        ("gzip", "gzip"),
        (" GZIP ", "gzip"),
        ("deflate", "deflate"),
    ],
)
def test_the_encoding_of_a_body(header: str | None, encoding: str | None) -> None:
    assert request_encoding(header) == encoding


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, gzip", "x" * 1000])
def test_other_encodings_are_refused(header: str) -> None:
    with pytest.raises(UnsupportedBody, match="gzip, deflate are allowed"):
        request_encoding(header)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip; q=0.2, deflate;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("*", "gzip"),
        ("*, gzip;q=0", "deflate"),
        ("*;q=0", None),
        ("gzip;q=nan, deflate;q=inf", None),
        ("gzip;q=, ;;;,", None),
        ("gzip;level=9", None),
        ("," * 100_000, None),
    ],
)
def test_the_encoding_of_an_answer(header: str, encoding: str | None) -> None:
    assert response_encoding(header) == encoding


SETTINGS = Settings()


def parse(fields: Any, length: str | None = None) -> Any:
    return parse_request(json.dumps(fields).encode(), length, SETTINGS)


def test_without_the_header_all_of_it_is_json() -> None:
    parsed = parse(wanted())
    assert [given.name for given in parsed.fields.inputs] == ["latents", "labels"]
    assert parsed.binary == [None, None]


def test_binary_parts_follow_the_json_in_order_and_are_not_copied() -> None:
    body, headers = binary(wanted(), LATENTS, LABELS)
    parts = parse_request(body, headers[LENGTH], SETTINGS).binary
    assert [bytes(part or b"") for part in parts] == [LATENTS.tobytes(), LABELS.tobytes()]
    assert all(part is not None and part.obj is body for part in parts)


@pytest.mark.parametrize("length", ["", "0", "-1", "+3", "1e3", "ten", "9" * 30, "100000", " 5"])
def test_a_length_that_cannot_be_is_malformed(length: str) -> None:
    with pytest.raises(Malformed, match="Inference-Header-Content-Length is"):
        parse(wanted(), length)


@pytest.mark.parametrize("by", [-40, -1, 1, 40])
def test_a_length_that_lies_is_refused(by: int) -> None:
    body, headers = binary(wanted(), LATENTS, LABELS)
    with pytest.raises((Malformed, InvalidValue)):
        parse_request(body, str(int(headers[LENGTH]) + by), SETTINGS)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"inputs": NaN}', b"\xff", b"{} {}", b"[" * 100_000, b'"\\ud800"'],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises((Malformed, InvalidValue)):
        parse_request(body, None, SETTINGS)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ([], "the body is a list"),
        (None, "the body is null"),
        ({}, "inputs is "),
        ({"inputs": []}, "inputs is a list of 0"),
        ({"inputs": [latents()] * 17}, "inputs is a list of 17"),
        ({"inputs": ["latents"]}, r"inputs\[0\] is "),
        (wanted(id=3), "id is 3"),
        (wanted(outputs=[{}]), r"outputs\[0\].name is "),
        (wanted(parameters={"binary_data_output": 1}), "parameters.binary_data_output is 1"),
        (wanted(parameters={"timeout": -1}), "parameters.timeout is -1"),
        (wanted(parameters={"timeout": 10**400}), "parameters.timeout is 1000"),
        ({"inputs": [latents(shape=[2**63, 5])]}, r"inputs\[0\].shape\[0\] is 92233"),
        ({"inputs": [latents(shape=[-1, 5])]}, r"inputs\[0\].shape\[0\] is -1"),
        ({"inputs": [latents(shape=[2.0, 5])]}, r"inputs\[0\].shape\[0\] is 2.0"),
        ({"inputs": [latents(shape=[1] * 9)]}, r"inputs\[0\].shape is a list of 9"),
        ({"inputs": [latents(data="AAAA")]}, r"inputs\[0\].data is "),
        ({"inputs": [latents(parameters={"binary_data_size": 4})]}, "either data or binary"),
        ({"inputs": [{**latents(), "data": None}]}, "either data or binary"),
        (
            {"inputs": [{**latents(), "data": None, "parameters": {"binary_data_size": 40}}]},
            "binary_data_size of all inputs is 40; 0 bytes follow",
        ),
    ],
)
def test_what_is_wrong_is_named(fields: Any, names: str) -> None:
    with pytest.raises(InvalidValue, match=names):
        parse(fields)


@pytest.mark.parametrize(
    "fields",
    [
        wanted(parameters={"seed": 7}),
        wanted(parameters={"truncation": 0.5}),
        wanted(outputs=[{"name": "images", "parameters": {"classification": 3}}]),
        wanted(outputs=[{"name": "images", "parameters": {"shared_memory_region": "x"}}]),
        {"inputs": [latents(parameters={"shared_memory_region": "x"})]},
    ],
)
def test_what_the_service_does_not_have_is_not_passed_over(fields: Any) -> None:
    with pytest.raises(InvalidValue, match="this service has no such"):
        parse(fields)


def test_sizes_that_overlap_or_leave_bytes_are_refused() -> None:
    body, headers = binary({"inputs": [latents(), labels()]}, LATENTS, LABELS)
    for wrong in (body + b"\0", body[:-1]):
        with pytest.raises(InvalidValue, match="bytes follow the JSON"):
            parse_request(wrong, headers[LENGTH], SETTINGS)


def test_members_that_are_null_are_absent() -> None:
    nothing = dict.fromkeys(("id", "parameters", "outputs"))
    inputs = [{**given, "parameters": None} for given in (latents(), labels())]
    fields = parse({"inputs": inputs, **nothing}).fields
    assert fields.id is None
    assert fields.outputs == []
    outputs = [{"name": "images", "parameters": {"binary_data": None, "classification": None}}]
    parameters = {"timeout": None, "binary_data_output": None, "seed": None}
    parsed = parse(wanted(outputs=outputs, parameters=parameters))
    assert parsed.fields.parameters.timeout is None
    assert parsed.fields.outputs[0].parameters.binary_data is None


def test_a_byte_order_mark_is_skipped() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(wanted()).encode()
    assert len(parse_request(text, None, SETTINGS).fields.inputs) == 2


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (wanted(**{f"x{n}": 0 for n in range(65)}), "the body is an object of 66; at most 64 memb"),
        (
            wanted(parameters={f"x{n}": 0 for n in range(65)}),
            "parameters is an object of 65; at mo",
        ),
        (
            {"inputs": [latents(parameters={f"x{n}": 0 for n in range(65)})]},
            "is an object of 65; at",
        ),
    ],
)
def test_members_are_counted_before_they_are_looked_at(fields: Any, names: str) -> None:
    with pytest.raises(InvalidValue, match=names):
        parse(fields)


def test_the_first_bad_tensor_ends_the_check() -> None:
    for name in ("inputs", "outputs"):
        with pytest.raises(InvalidValue) as caught:
            parse(wanted(**{name: [{}] * 1000}))
        assert {tuple(error["loc"][:2]) for error in caught.value.errors} == {(name, 0)}
    with pytest.raises(InvalidValue) as caught:
        parse({"inputs": [latents(shape=["x"] * 1000)]})
    assert len(caught.value.errors) == 1


def test_json_is_bounded_in_bytes_and_values_and_binary_tensors_only_in_bytes() -> None:
    settings = Settings(json_bytes=2000, json_items=1000)
    body, headers = binary(wanted(), LATENTS, LABELS)
    parse_request(body, headers[LENGTH], settings)
    with pytest.raises(LimitExceeded, match="at most 1000 are allowed"):
        parse_request(b"[" * 1001, None, settings)
    text = json.dumps(wanted(id="x" * 2000)).encode()
    for length in (None, str(len(text))):
        with pytest.raises(
            BodyTooLarge, match="at most 2000 are allowed; the values of tensors may"
        ):
            parse_request(text, length, settings)
