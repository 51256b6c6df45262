import numpy as np
import torch

from mirage.training.media.pixels import (
    contact_sheet,
    to_float,
    to_grey_levels,
    to_pixels,
    to_planes,
)


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_grey_levels(to_float(levels)).numpy(), levels)


def test_values_beyond_the_range_are_clamped() -> None:
    images = torch.tensor([-7.0, -1.0, 1.0, 7.0]).view(1, 1, 2, 2)
    assert to_grey_levels(images).flatten().tolist() == [0, 0, 255, 255]


def test_moves_channels_last_and_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    assert to_float(images).shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(to_grey_levels(to_float(images)).numpy(), images)


def every_alpha() -> np.ndarray:
    """uint8 [256, 1, 256, 4]: each opacity with each grey level; nothing where it is 0."""
    opacity, colour = np.mgrid[0:256, 0:256].astype(np.uint8)
    images = np.stack([colour, 255 - colour, colour // 2, opacity], axis=-1)
    images[0] = 0
    return images[:, None]


def test_on_white_round_trips_visible_colours() -> None:
    images = every_alpha()
    planes = to_planes(images, "on-white")
    assert planes.min() >= -1
    assert planes.max() <= 1
    again = to_pixels(planes, "on-white").numpy()
    inside = slice(6, 250)  # outside of this range alpha is stretched
    np.testing.assert_array_equal(again[inside], images[inside])
    for sure in (0, 255):
        np.testing.assert_array_equal(again[sure], images[sure])


def test_an_empty_image_is_white_and_transparent() -> None:
    planes = to_planes(np.zeros((1, 1, 1, 4), np.uint8), "on-white")
    assert planes.flatten().tolist() == [1, 1, 1, -1]


def test_alpha_near_the_ends_becomes_exactly_0_or_255() -> None:
    opacity = torch.tensor([-1.5, -1.0, -0.981, -0.9, 0.9, 0.981, 1.0, 1.5]).view(1, 1, 1, 8)
    planes = torch.cat([torch.ones(1, 3, 1, 8), opacity], dim=1)
    pixels = to_pixels(planes, "on-white")[0, 0]
    assert pixels[:, 3].tolist() == [0, 0, 0, 13, 242, 255, 255, 255]
    assert not pixels[:3].any()


def test_small_differences_of_values_give_small_differences_of_pixels() -> None:
    """Engines round differently, so the mapping of alpha must be continuous."""
    opacity = torch.linspace(-1, 1, 20_001).view(1, 1, 1, -1)
    colours = 1 - 0.3 * (opacity + 1).repeat(1, 3, 1, 1)
    planes = torch.cat([colours, opacity], dim=1)
    near, far = (to_pixels(p, "on-white").int() for p in (planes, planes + 1e-5))
    assert (near - far).abs().max() <= 1


def test_images_without_alpha_are_the_same_in_both_representations() -> None:
    for channels in (1, 3):
        images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, channels), np.uint8)
        planes = to_planes(images, "on-white")
        assert torch.equal(planes, to_float(images))
        np.testing.assert_array_equal(to_pixels(planes, "on-white").numpy(), images)


def test_straight_keeps_the_stored_channels() -> None:
    images = every_alpha()
    assert torch.equal(to_planes(images, "straight"), to_float(images))
    np.testing.assert_array_equal(to_pixels(to_float(images), "straight").numpy(), images)


def test_a_contact_sheet_is_filled_row_by_row_and_padded_with_zeros() -> None:
    images = np.arange(1, 4, dtype=np.uint8).reshape(3, 1, 1, 1)
    assert contact_sheet(images, columns=2)[..., 0].tolist() == [[1, 2], [3, 0]]
