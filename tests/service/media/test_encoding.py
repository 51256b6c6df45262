"""PNG, WebP and contact sheets, read back by Pillow."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mirage.service.media.encoding import (
    Compression,
    contact_sheet,
    encode_png,
    encode_webp,
    sheet_shape,
)

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
COMPRESSIONS: tuple[Compression, ...] = ("none", "fast", "small")
channels = pytest.mark.parametrize("channels", [1, 3, 4])
each_compression = pytest.mark.parametrize("compression", COMPRESSIONS)
compressions = st.sampled_from(COMPRESSIONS)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def ramp(*shape: int) -> NDArray[np.uint8]:
    """Return a horizontal gradient with noise."""
    _, width, channels = shape
    levels = np.arange(width)[None, :, None] * 3 + np.arange(channels) * 40
    jitter = np.random.default_rng(0).integers(0, 2, shape)
    return (np.broadcast_to(levels, shape) + jitter).astype(np.uint8)


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
    compression=compressions,
)
def test_pillow_decodes_the_pixels_of_a_png(
    height: int,
    width: int,
    channels: int,
    fill: int | None,
    seed: int,
    compression: Compression,
) -> None:
    shape = (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if fill is not None:
        pixels[:] = fill
    data = encode_png(pixels, compression)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == MODES[channels]
        assert image.info == {}
    assert np.array_equal(decoded(data), pixels)


@each_compression
def test_png_encodes_pixels_that_are_not_contiguous(compression: Compression) -> None:
    pixels = noise(9, 14, 3)[::2, ::2]
    assert np.array_equal(decoded(encode_png(pixels, compression)), pixels)


@channels
@each_compression
@pytest.mark.skipif(shutil.which("pngcheck") is None, reason="pngcheck is not installed")
def test_pngcheck_reports_no_error(tmp_path: Path, channels: int, compression: Compression) -> None:
    for number, pixels in enumerate((noise(300, 80, channels), ramp(9, 5, channels))):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode_png(pixels, compression))
        done = subprocess.run(["pngcheck", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert done.stdout.startswith("OK: ")


@channels
@pytest.mark.parametrize("turned", [False, True])
def test_stronger_compression_makes_fewer_bytes(channels: int, turned: bool) -> None:
    pixels = ramp(64, 64, channels)
    pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2)) if turned else pixels
    stored, fast, small = (len(encode_png(pixels, name)) for name in COMPRESSIONS)
    assert small <= fast < stored
    assert stored > pixels.size


def test_small_uses_no_filter_where_filters_make_more_bytes() -> None:
    pixels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (64, 64, 1))
    assert len(encode_png(pixels, "small")) < 0.9 * len(encode_png(pixels, "fast"))


@each_compression
def test_png_has_only_the_required_chunks(compression: Compression) -> None:
    data = encode_png(noise(5, 6, 3), compression)
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
