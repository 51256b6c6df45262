import numpy as np
import torch

from mirage.training.pixels import contact_sheet, to_float, to_grey_levels


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_grey_levels(to_float(levels)).numpy(), levels)


def test_values_beyond_the_range_are_clamped() -> None:
    images = torch.tensor([-7.0, -1.0, 1.0, 7.0]).view(1, 1, 2, 2)
    assert to_grey_levels(images).flatten().tolist() == [0, 0, 255, 255]


def test_channels_go_last_and_come_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    assert to_float(images).shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(to_grey_levels(to_float(images)).numpy(), images)


def test_a_contact_sheet_goes_row_by_row_and_fills_with_zero() -> None:
    images = np.arange(1, 4, dtype=np.uint8).reshape(3, 1, 1, 1)
    assert contact_sheet(images, columns=2)[..., 0].tolist() == [[1, 2], [3, 0]]
