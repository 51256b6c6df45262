"""The parts of image files are counted as Pillow walks them."""

import io
import struct
import zlib

import pytest
from PIL import Image

from mirage.service.errors import UnsupportedBody
from mirage.service.media.pictures import decode_picture
from mirage.service.media.segments import (
    MAX_EXIF_SEGMENTS,
    MAX_SEGMENTS,
    has_many_chunks,
    has_many_exif_segments,
    has_many_segments,
)


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(buffer, kind)
    return buffer.getvalue()


def png_with(count: int) -> bytes:
    """A valid PNG with `count` chunks of seven bytes behind its header."""
    png, body = encoded("PNG"), b"tIME" + bytes((7, 230, 1, 1, 0, 0, 0))
    chunk = struct.pack(">I", 7) + body + struct.pack(">I", zlib.crc32(body))
    end = 8 + 12 + 13
    return png[:end] + count * chunk + png[end:]


def test_a_png_may_have_as_many_chunks_as_are_allowed() -> None:
    own = 3  # header, data, end
    assert not has_many_chunks(png_with(MAX_SEGMENTS - own))
    assert has_many_chunks(png_with(MAX_SEGMENTS - own + 1))
    assert decode_picture(png_with(1000), most_pixels=1000).colour.shape == (16, 16, 3)


@pytest.mark.parametrize(
    "part",
    [b"\xff\xfe\x00\x02", b"\xff\xe1\x00\x05abc", b"\xff\xff", b"\xff\x00", b"\xff\xd8"],
    ids=["comment", "application", "fill", "stuffed", "bare"],
)
def test_a_jpeg_of_many_segments_is_refused_before_it_is_opened(part: bytes) -> None:
    jpeg = encoded("JPEG")
    assert not has_many_segments(jpeg)
    many = jpeg[:2] + (MAX_SEGMENTS + 1) * part + jpeg[2:]
    assert has_many_segments(many)
    with pytest.raises(UnsupportedBody, match="more than 16384 parts; save it anew"):
        decode_picture(many, most_pixels=1000)


COMMENT = b"\xff\xfe\x00\x02"


@pytest.mark.parametrize(
    "hidden",
    [
        COMMENT + b"x" + (MAX_SEGMENTS + 1) * COMMENT,
        COMMENT + (MAX_SEGMENTS + 1) * b"x",
        # Pillow reads no length behind this marker, so what seems to be its content is counted.
        (b"\xff\xf0\x40\x02" + 4096 * COMMENT) * 5,
    ],
    ids=["behind a stray byte", "stray bytes", "within a segment without a length"],
)
def test_segments_that_only_pillow_sees_count(hidden: bytes) -> None:
    jpeg = encoded("JPEG")
    with pytest.raises(UnsupportedBody, match="more than 16384 parts"):
        decode_picture(jpeg[:2] + hidden + jpeg[2:], most_pixels=1000)


def test_stray_bytes_between_segments_are_skipped() -> None:
    jpeg = encoded("JPEG")
    odd = jpeg[:2] + COMMENT + b"stray" + b"\xff\xff" + COMMENT + jpeg[2:]
    assert decode_picture(odd, most_pixels=1000).colour.shape == (16, 16, 3)


def test_a_jpeg_of_many_exif_segments_is_refused_before_they_are_joined() -> None:
    jpeg = encoded("JPEG")
    exif = b"\xff\xe1\x00\x08Exif\x00\x00"
    most = jpeg[:2] + MAX_EXIF_SEGMENTS * exif + jpeg[2:]
    assert not has_many_exif_segments(most)
    assert has_many_exif_segments(most[:2] + exif + most[2:])
    assert not has_many_exif_segments(most[:2] + 100 * COMMENT + most[2:])
    with pytest.raises(UnsupportedBody, match="more than 16 segments of EXIF; save it anew"):
        decode_picture(most[:2] + exif + most[2:], most_pixels=1000)


def test_a_png_of_many_chunks_is_refused_before_it_is_opened() -> None:
    with pytest.raises(UnsupportedBody, match="more than 16384 parts; save it anew"):
        decode_picture(png_with(MAX_SEGMENTS), most_pixels=1000)


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_files_that_are_cut_short_are_counted_to_their_end(end: int) -> None:
    assert not has_many_chunks(encoded("PNG")[:end])
    assert not has_many_segments(encoded("JPEG")[:end])


def test_what_lies_behind_the_first_scan_does_not_count() -> None:
    jpeg = encoded("JPEG")
    assert not has_many_segments(jpeg[:-2] + (MAX_SEGMENTS + 1) * b"\xff\x00" + jpeg[-2:])
