import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mirage.service.media.tiling import (
    join_row,
    padded_to,
    plan_spans,
    plan_tiles,
    tile_shapes,
    tile_side,
)

RADIUS = 2


def enlarge(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """A small convolutional model: a box blur of radius 2 with zero padding, then upsampling."""
    height, width, _ = picture.shape
    padded = np.pad(picture.astype(np.int64), ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)))
    total = sum(
        padded[row : row + height, column : column + width]
        for row in range(2 * RADIUS + 1)
        for column in range(2 * RADIUS + 1)
    )
    blurred = (np.asarray(total) // (2 * RADIUS + 1) ** 2).astype(np.uint8)
    return blurred.repeat(scale, axis=0).repeat(scale, axis=1)


def enlarge_in_tiles(
    picture: NDArray[np.uint8], tile: int, halo: int, scale: int
) -> NDArray[np.uint8]:
    rows = plan_tiles(*picture.shape[:2], tile, halo)
    return np.concatenate(
        [join_row(row, [enlarge(t.cut(picture), scale) for t in row], scale) for row in rows]
    )


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(6, 40),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2, 4]),
)
def test_tiles_give_the_same_image_as_the_whole(
    height: int, width: int, tile: int, channels: int, scale: int
) -> None:
    shape = (height, width, channels)
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    whole = enlarge(picture, scale)
    np.testing.assert_array_equal(enlarge_in_tiles(picture, tile, RADIUS, scale), whole)


def test_a_halo_that_is_too_small_changes_the_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 1), dtype=np.uint8)
    assert (enlarge_in_tiles(picture, 16, RADIUS - 1, 1) != enlarge(picture, 1)).any()


@given(st.integers(1, 20), st.integers(3, 12), st.integers(0, 9), st.sampled_from([1, 2, 4]))
def test_windows_have_one_size_and_cores_follow_each_other(
    length: int, tile: int, halo: int, multiple: int
) -> None:
    length, tile = length * 4, tile * 4
    if tile - 2 * halo < multiple:
        halo = 0
    spans = plan_spans(length, tile, halo, multiple)
    assert {span.stop - span.start for span in spans} == {min(tile, length)}
    assert all(span.start % multiple == 0 for span in spans)
    assert [span.core_start for span in spans] == [0, *(span.core_stop for span in spans[:-1])]
    assert spans[-1].core_stop == length
    for span in spans:
        assert span.start == 0 or span.core_start - span.start >= halo
        assert span.stop == length or span.stop - span.core_stop >= halo


def test_all_tiles_have_one_shape() -> None:
    assert set(tile_shapes(plan_tiles(100, 30, 64, 5))) == {(64, 30)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((100, 24, 12), "tile is 24; more than two halos of 12 are needed"),
        ((30, 16, 1, 4), "length 30 and tile 16 must be multiples of 4"),
    ],
)
def test_an_impossible_plan_is_rejected(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_spans(*arguments)


def test_padding_repeats_the_edges() -> None:
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert padded_to(picture, 1) is picture
    assert padded_to(picture, 4)[:, :, 0].tolist() == [
        [0, 1, 2, 2],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
    ]


@given(st.integers(1, 300), st.integers(1, 64), st.integers(0, 40), st.sampled_from([1, 2, 4, 16]))
def test_sides_leave_room_for_halos(length: int, wanted: int, halo: int, multiple: int) -> None:
    side = tile_side(wanted, halo, multiple)
    assert side >= max(wanted, 4 * halo)
    assert side % multiple == 0
    length *= multiple
    windows = plan_spans(length, side, halo, multiple)
    assert sum(each.stop - each.start for each in windows) <= 2 * length
