"""The size in a WebP's header, in each of its forms."""

from typing import Any

import pytest

from mirage.service.media.webp_header import read_webp_size
from tests.service.helpers.pictures import animated, encoded, noise

LOSSY, LOSSLESS = b"VP8 ", b"VP8L"


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        (b"VP8 ", {}),
        (b"VP8L", {"lossless": True}),
        (b"VP8X", {"icc_profile": b"a profile"}),
    ],
)
def test_it_is_read(form: bytes, options: dict[str, Any], size: tuple[int, int]) -> None:
    data = encoded(noise(*size, 3), "WEBP", **options)
    assert data[12:16] == form
    assert read_webp_size(data) == size[::-1]


def test_frames_have_a_canvas() -> None:
    assert read_webp_size(animated("WEBP")) == (5, 5)


@pytest.mark.parametrize("end", [0, 12, 20, 24])
def test_a_header_that_is_cut_short_tells_none(end: int) -> None:
    for options in ({}, {"icc_profile": b"a profile"}):
        assert read_webp_size(encoded(noise(4, 4, 3), "WEBP", **options)[:end]) is None
