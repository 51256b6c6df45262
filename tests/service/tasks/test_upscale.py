"""Pictures as the items of a model, and its images as rows of larger pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.bundle.format.manifest import PictureModel
from mirage.service.errors import LimitExceeded
from mirage.service.media.pictures import Picture
from mirage.service.settings import Settings
from mirage.service.tasks.upscale import (
    STRIP_BYTES,
    StripJoiner,
    UpscaleJob,
    as_pictures,
    check_enlarged,
    count_images,
    join_pictures,
    plan_planes,
    tile_rows,
)
from tests.service.helpers.pictures import noise

HALO = 2


def model(scale: int = 2, multiple: int = 1) -> PictureModel:
    return PictureModel(
        scale=scale, multiple=multiple, halo=HALO, border="replicate", degradation="bicubic"
    )


def enlarged(pictures: np.ndarray, scale: int = 2) -> np.ndarray:
    """A model that looks two pixels far: each pixel minus one beside it, repeated."""
    shifted = np.pad(pictures, ((0, 0), (2, 0), (0, 2), (0, 0)))[:, :-2, 2:]
    return (pictures - shifted // 2).repeat(scale, axis=1).repeat(scale, axis=2)


def picture(height: int, width: int, colours: int, has_alpha: bool, seed: int = 0) -> Picture:
    values = noise(height, width, colours + 1, seed=seed)
    return Picture(values[:, :, :colours], values[:, :, colours] | 1 if has_alpha else None)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colours=st.sampled_from([1, 3]),
    has_alpha=st.booleans(),
    channels=st.sampled_from([1, 3, 4]),
    side=st.integers(8, 24),
    count=st.integers(1, 3),
    at_once=st.integers(1, 7),
)
def test_tiles_make_what_the_whole_picture_makes(
    height: int,
    width: int,
    colours: int,
    has_alpha: bool,
    channels: int,
    side: int,
    count: int,
    at_once: int,
) -> None:
    pictures = [picture(height, width, colours, has_alpha, seed) for seed in range(count)]
    job = UpscaleJob(pictures, model(), channels, side)
    whole = UpscaleJob(pictures, model(), channels, 1000)
    items = [job[start : start + at_once] for start in range(0, len(job), at_once)]
    assert job.shape == (len(job), *items[0].shape[1:])
    assert job.weight == items[0].shape[1] * items[0].shape[2] <= side * side
    joiner = StripJoiner(job)
    strips = [strip for each in items for strip in joiner.add(enlarged(each))]
    found = np.concatenate(strips).reshape(count, *job.result_shape)
    np.testing.assert_array_equal(found, join_pictures(whole, enlarged(whole[: len(whole)])))
    assert job.result_shape == (2 * height, 2 * width, colours + has_alpha)


@pytest.mark.parametrize("width", [1, 100, 2000, 5000, 16384])
def test_tiles_of_wide_pictures_have_fewer_rows(width: int) -> None:
    kind = model(scale=4)
    rows = tile_rows(width, 256, kind)
    core = rows - 2 * HALO
    assert rows == 256 or 4 * core * 4 * width * 4 <= STRIP_BYTES < 4 * (core + 1) * 4 * width * 4
    assert (rows < 256) == (width > 2000)
    job = UpscaleJob([Picture(np.zeros((300, width, 1), np.uint8))], kind, 1, 256)
    assert job.shape[1:] == (rows, min(width, 256), 1)


def test_colours_pass_through_as_they_are() -> None:
    opaque = picture(9, 7, 3, has_alpha=False)
    job = UpscaleJob([opaque], model(), 3, 64)
    assert len(job) == 1
    np.testing.assert_array_equal(job[0:1][0], opaque.colour)


@pytest.mark.parametrize(
    ("colours", "has_alpha", "wanted", "planes"),
    [
        (3, False, 3, [(0, 1, 2)]),
        (3, True, 3, [(0, 1, 2), (3, 3, 3)]),
        (1, False, 3, [(0, 0, 0)]),
        (1, True, 3, [(0, 0, 0), (1, 1, 1)]),
        (3, True, 1, [(0,), (1,), (2,), (3,)]),
        (1, False, 1, [(0,)]),
        (3, True, 4, [(0, 1, 2, 3)]),
        (3, False, 4, [(0, 1, 2, -1)]),
        (1, True, 4, [(0, 0, 0, 1)]),
    ],
)
def test_channels_are_given_to_the_model_in_planes(
    colours: int, has_alpha: bool, wanted: int, planes: list[tuple[int, ...]]
) -> None:
    assert plan_planes(colours, has_alpha, wanted) == planes


def test_pictures_are_widened_to_multiples_and_cut_again() -> None:
    opaque = picture(9, 7, 3, has_alpha=False)
    job = UpscaleJob([opaque], model(multiple=4), 3, 64)
    item = job[0:1]
    assert item.shape == (1, 12, 8, 3)
    np.testing.assert_array_equal(item[0, 9:, :7], np.stack([opaque.colour[8]] * 3))
    repeated = item.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(
        join_pictures(job, repeated)[0], opaque.colour.repeat(2, axis=0).repeat(2, axis=1)
    )


def test_images_of_models_are_pictures() -> None:
    images = noise(2, 5, 4, 4)
    first, second = as_pictures(images)
    np.testing.assert_array_equal(first.colour, images[0, :, :, :3])
    np.testing.assert_array_equal(second.alpha, images[1, :, :, 3])
    assert as_pictures(images[..., :1])[0].alpha is None


def test_limits_tell_what_would_fit() -> None:
    settings = Settings(megapixels_per_request=1)
    check_enlarged(500, 500, 1, 2, settings)
    with pytest.raises(LimitExceeded, match=r"501x500 .* 1002x1000 .* 0.25 before"):
        check_enlarged(500, 501, 1, 2, settings)


@pytest.mark.parametrize(("height", "width", "images"), [(1, 1, 1), (500, 500, 1), (500, 501, 2)])
def test_images_are_counted_by_megapixels_begun(height: int, width: int, images: int) -> None:
    assert count_images(height, width, 2) == images
