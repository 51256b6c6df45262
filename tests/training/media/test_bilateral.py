"""The bilateral filter of generators, on small images."""

import math

import pytest
import torch

from mirage.training.media.bilateral import RANGE, smoothed


def test_a_pixel_becomes_the_mean_of_those_around_it_that_resemble_it() -> None:
    image = torch.zeros(1, 2, 3, 3)
    image[0, 0, 0, 0], image[0, 1, 0, 0] = 0.06, 0.08  # in two channels, 0.1 away
    share = math.exp(-0.5 * 0.1**2 / RANGE**2)
    expected = image[0, :, 0, 0] * share / (8 + share)
    torch.testing.assert_close(smoothed(image, 1)[0, :, 1, 1], expected)


def test_flat_areas_lose_their_noise_and_edges_stay() -> None:
    torch.manual_seed(0)
    halves = torch.full((1, 3, 16, 16), -0.5)
    halves[..., 8:] = 0.5
    noise = 0.03 * torch.randn_like(halves)
    left = smoothed(halves + noise, 3) - halves
    assert left.std() < 0.35 * noise.std()
    assert left.abs().max() < 0.06


@pytest.mark.parametrize("times", [1, 4])
def test_values_outside_the_range_stay_outside(times: int) -> None:
    images = torch.tensor([-2.0, -1.1, 1.1, 3.0]).repeat(4, 1).view(1, 1, 4, 4)
    torch.testing.assert_close(smoothed(images, times), images)


def test_values_outside_the_range_count_as_its_ends() -> None:
    """So that flat areas beyond it smooth the pixels beside them, however far beyond they are."""
    near, far = (torch.full((1, 1, 3, 3), value) for value in (1.0, 5.0))
    near[..., 1, 1] = far[..., 1, 1] = 0.95
    torch.testing.assert_close(smoothed(near, 1)[..., 1, 1], smoothed(far, 1)[..., 1, 1])
