import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mirage.service.errors import LimitExceeded, Malformed, ServiceError, UnsupportedBody
from mirage.service.media.pictures import Picture, decode_picture
from tests.service.helpers.pictures import chunk, header, png

MOST = 10_000
RNG = np.random.default_rng(0)


def encoded(mode: str, kind: str = "PNG", size: tuple[int, int] = (6, 4), **options: Any) -> bytes:
    channels = len(mode) if mode in ("RGB", "RGBA", "LA", "CMYK") else 1
    values = RNG.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    image = Image.fromarray(values if channels > 1 else values[:, :, 0])
    if mode not in (image.mode, "CMYK"):
        image = image.convert(mode)
    elif mode == "CMYK":
        image = image.convert("CMYK") if image.mode == "RGBA" else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(data: bytes) -> Picture:
    return decode_picture(data, most_pixels=MOST)


@pytest.mark.parametrize(
    ("data", "colours", "has_alpha"),
    [
        (encoded("L"), 1, False),
        (encoded("1"), 1, False),
        (encoded("LA"), 1, True),
        (encoded("RGB"), 3, False),
        (encoded("RGBA"), 3, True),
        (encoded("P"), 3, False),
        (encoded("P", transparency=3), 3, True),
        (encoded("RGB", transparency=(1, 2, 3)), 3, True),
        (encoded("L", transparency=3), 1, True),
        (encoded("RGB", "JPEG"), 3, False),
        (encoded("L", "JPEG"), 1, False),
        (encoded("RGB", "WEBP"), 3, False),
        (encoded("RGBA", "WEBP", lossless=True), 3, True),
    ],
)
def test_pictures_are_decoded_to_colour_and_alpha(
    data: bytes, colours: int, has_alpha: bool
) -> None:
    picture = decode(data)
    assert picture.colour.shape == (4, 6, colours)
    assert picture.colour.dtype == np.uint8
    assert picture.size == (4, 6)
    assert (picture.alpha is not None) == has_alpha
    if picture.alpha is not None:
        assert (picture.alpha.shape, picture.alpha.dtype) == ((4, 6), np.uint8)


def test_pixel_values_are_unchanged() -> None:
    data = encoded("RGBA")
    expected = np.asarray(Image.open(io.BytesIO(data)))
    picture = decode(data)
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.dstack([picture.colour, picture.alpha]), expected)


def test_16_bit_grey_loses_its_lower_byte() -> None:
    deep = np.array([[0, 255, 256], [0x1234, 0xFF00, 0xFFFF]], np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    assert decode(buffer.getvalue()).colour[:, :, 0].tolist() == [[0, 0, 1], [0x12, 0xFF, 0xFF]]


@pytest.mark.parametrize(
    ("depth", "samples", "grey", "alpha"),
    [
        (1, b"\x40", 1, [255, 0]),
        (2, b"\x60", 1, [0, 255]),
        (4, b"\x53", 5, [0, 255]),
        (4, b"\x5f", 15, [255, 0]),
        (8, b"\x05\x55", 5, [0, 255]),
        (16, b"\0\x05\x05\0", 5, [0, 255]),
        (16, b"\x12\x34\x12\x35", 0x1235, [255, 0]),
    ],
)
def test_the_transparent_grey_of_every_depth_is_transparent(
    depth: int, samples: bytes, grey: int, alpha: list[int]
) -> None:
    transparent = chunk(b"tRNS", struct.pack(">H", grey))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + samples))
    picture = decode(png(header(2, 1, depth, 0), transparent, pixels))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [alpha]
    assert picture.colour.shape == (1, 2, 1)


def test_orientation_is_applied_and_the_profile_is_kept() -> None:
    image = Image.fromarray(RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "somebody's camera"
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif, icc_profile=b"profile")
    picture = decode(buffer.getvalue())
    assert picture.icc == b"profile"
    np.testing.assert_array_equal(picture.colour, np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied(orientation: int) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    picture = decode(buffer.getvalue())
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.dstack([picture.colour, picture.alpha]), expected)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 9.0])
def test_an_orientation_that_is_none_is_ignored(number: float) -> None:
    data = encoded("RGB")
    exif = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIf", 0x112, 11, 1, number) + bytes(4)
    broken = decode(data[:33] + chunk(b"eXIf", exif) + data[33:])
    np.testing.assert_array_equal(broken.colour, decode(data).colour)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_large_pictures_are_decoded_completely(mode: str) -> None:
    data = encoded(mode, size=(701, 1301))
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(image.convert({"L": "RGB", "LA": "RGBA", "P": "RGB"}.get(mode, mode)))
    picture = decode_picture(data, most_pixels=10**6)
    found = np.broadcast_to(picture.colour, (*picture.size, 3))
    np.testing.assert_array_equal(found, wanted[:, :, :3])
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, wanted[:, :, 3])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_file_is_freed_before_the_pixels_are_copied(kind: str) -> None:
    """Pillow's own memory is not measured."""
    tracemalloc.start()
    files = [encoded("RGB", kind, (2000, 1500), **({"quality": 100} if kind == "JPEG" else {}))]
    size = len(files[0])
    tracemalloc.reset_peak()
    picture = decode_picture(files.pop(), most_pixels=10**7)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < picture.colour.nbytes + 0.7 * size


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = zlib.crc32(b"IHDR" + header)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", check)
    return b"\x89PNG\r\n\x1a\n" + chunk + encoded("RGB")[33:]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", Malformed, "the body is empty; a file of PNG, JPEG and WebP is allowed"),
        (b"no picture", Malformed, "is no picture; a file of PNG, JPEG and WebP is allowed"),
        (b"<svg/>", UnsupportedBody, "PNG, JPEG and WebP are allowed"),
        (b"GIF89a" + bytes(20), UnsupportedBody, "PNG, JPEG and WebP are allowed"),
        (encoded("CMYK", "JPEG"), UnsupportedBody, "mode is CMYK"),
        (animation("PNG"), UnsupportedBody, "animation"),
        (animation("WEBP"), UnsupportedBody, "animation"),
        (encoded("RGB", size=(101, 100)), LimitExceeded, "101x100 pixels"),
        (png_that_says(30_000, 1), LimitExceeded, "sides of 16384"),
        (png_that_says(2**31 - 1, 2**31 - 1), LimitExceeded, "megapixels"),
        (png_that_says(0, 7), Malformed, "picture"),
        (encoded("RGB", size=(90, 90))[:300], Malformed, "cannot be decoded"),
        (encoded("RGB", "JPEG", size=(90, 90))[:700], Malformed, "cannot be decoded"),
        (encoded("RGB", "WEBP", size=(90, 90))[:60], Malformed, "picture"),
        (b"\x89PNG\r\n\x1a\n", Malformed, "header"),
        (b"\xff\xd8\xff" + bytes(40), Malformed, "header"),
    ],
)
def test_unsupported_pictures_are_rejected_with_a_reason(
    data: bytes, error: type[ServiceError], message: str
) -> None:
    with pytest.raises(error, match=message):
        decode(data)


@given(
    st.sampled_from(["PNG", "JPEG", "WEBP"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_files_raise_only_documented_errors(
    kind: str, damage: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded("RGB", kind, size=(20, 20)))
    for place, value in damage:
        data[int(place * (len(data) - 1))] = value
    try:
        picture = decode(bytes(data))
    except ServiceError:
        return
    assert picture.colour.shape[2] in (1, 3)
    assert picture.colour[:, :, 0].size <= MOST


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]))
def test_arbitrary_bytes_raise_only_documented_errors(rest: bytes, head: bytes) -> None:
    with pytest.raises(ServiceError):
        decode(head + rest)
