import io
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mirage.service.media.encoding import Compression
from mirage.service.media.png_stream import stream_png

COMPRESSIONS: tuple[Compression, ...] = ("none", "fast", "small")


def pixels(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def strips_of(image: NDArray[np.uint8], rows: int) -> list[NDArray[np.uint8]]:
    return [image[start : start + rows] for start in range(0, len(image), rows)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 5), (300, 400)])
def test_pillow_decodes_the_pixels(channels: int, height: int, width: int) -> None:
    image = pixels(height, width, channels)
    data = b"".join(stream_png(height, width, channels, strips_of(image, 100)))
    found = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(found.reshape(image.shape), image)


@pytest.mark.parametrize("width", [10, 3000])
def test_the_bytes_do_not_depend_on_the_strips(width: int) -> None:
    image = pixels(257, width, 3)
    whole = b"".join(stream_png(257, width, 3, [image]))
    for rows in (1, 64, 100):
        assert b"".join(stream_png(257, width, 3, strips_of(image, rows))) == whole


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_compression_holds_the_pixels_whatever_the_strips(
    compression: Compression, channels: int
) -> None:
    image = pixels(257, 900, channels) // 8 * 8
    image[100:] = 7
    written = [
        b"".join(stream_png(257, 900, channels, strips_of(image, rows), None, compression))
        for rows in (257, 100)
    ]
    assert written[0] == written[1]
    found = np.asarray(Image.open(io.BytesIO(written[0])))
    np.testing.assert_array_equal(found.reshape(image.shape), image)


def test_small_takes_fewer_bytes_than_fast_and_none_the_most() -> None:
    slope = np.add.outer(np.arange(400), np.arange(300))[:, :, None] * [1, 2, 3]
    image = (slope + pixels(400, 300, 3) % 4).astype(np.uint8)
    none, fast, small = (
        len(b"".join(stream_png(400, 300, 3, [image], None, compression)))
        for compression in COMPRESSIONS
    )
    assert small < fast < image.nbytes < none


def test_rows_are_written_before_the_last_strip() -> None:
    image = pixels(2000, 1000, 3)
    asked: list[int] = []

    def strips() -> Iterator[NDArray[np.uint8]]:
        for number, strip in enumerate(strips_of(image, 200)):
            asked.append(number)
            yield strip

    written = stream_png(2000, 1000, 3, strips())
    next(written)
    next(written)
    assert asked == [0]


def test_a_colour_profile_is_included() -> None:
    data = b"".join(stream_png(2, 2, 3, [pixels(2, 2, 3)], icc=b"a profile"))
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize(
    ("strips", "message"),
    [([(4, 3, 3)], "strips have 4 rows; 5 are needed"), ([(5, 2, 3)], "a strip has shape")],
)
def test_strips_of_another_size_are_rejected(strips: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(stream_png(5, 3, 3, [pixels(*shape) for shape in strips]))
