"""PNG, WebP and contact sheets, read back by Pillow."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from service.encoding import contact_sheet, encode_png, encode_webp, sheet_shape

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
channels = pytest.mark.parametrize("channels", [1, 3, 4])


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 4]),
    fill=st.one_of(st.none(), st.integers(0, 255)),
    seed=st.integers(0, 2**32),
)
def test_pillow_reads_back_what_png_was_made_of(
    height: int, width: int, channels: int, fill: int | None, seed: int
) -> None:
    shape = (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if fill is not None:
        pixels[:] = fill
    data = encode_png(pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == MODES[channels]
        assert image.info == {}
    assert np.array_equal(decoded(data), pixels)


def test_png_takes_pixels_that_are_not_contiguous() -> None:
    pixels = noise(9, 14, 3)[::2, ::2]
    assert np.array_equal(decoded(encode_png(pixels)), pixels)


def test_png_holds_no_chunk_but_the_three_needed() -> None:
    data = encode_png(noise(5, 6, 3))
    kinds, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        kinds.append(data[at + 4 : at + 8])
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


@channels
def test_webp_is_lossless(channels: int) -> None:
    pixels = noise(16, 10, channels)
    read = decoded(encode_webp(pixels))
    assert np.array_equal(read, np.repeat(pixels, 3, axis=2) if channels == 1 else pixels)


@pytest.mark.parametrize(
    ("count", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 2, 2), (5, 2, 3), (9, 3, 3), (10, 3, 4)],
)
def test_a_sheet_has_ceil_sqrt_n_columns(count: int, rows: int, columns: int) -> None:
    assert sheet_shape(count) == (rows, columns)


@channels
def test_a_sheet_is_filled_row_by_row_and_its_unused_cells_are_zero(channels: int) -> None:
    images = noise(5, 4, 6, channels)
    sheet = contact_sheet(images)
    assert sheet.shape == (8, 18, channels)
    assert np.array_equal(sheet[:4, 12:18], images[2])
    assert np.array_equal(sheet[4:, 6:12], images[4])
    assert not sheet[4:, 12:].any()
