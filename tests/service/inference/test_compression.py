"""Content encodings: what is read, what is refused, and what is chosen."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from mirage.service.errors import BodyTooLarge, Malformed, UnsupportedBody
from mirage.service.inference.compression import (
    compress,
    decompress,
    request_encoding,
    response_encoding,
)

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
