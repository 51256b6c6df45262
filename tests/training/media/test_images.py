"""Images as a medium."""

import torch

from mirage.training.media.bilateral import smoothed
from mirage.training.media.images import Images
from mirage.training.media.pixels import to_pixels


def test_values_are_smoothed_before_they_become_pixels() -> None:
    values = 0.05 * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    medium = Images(height=8, width=8, channels=4, transparency="on-white", bilateral=2)
    expected = to_pixels(smoothed(values, 2), "on-white")
    torch.testing.assert_close(medium.to_stored(values), expected)
    plain = medium.model_copy(update={"bilateral": 0})
    torch.testing.assert_close(plain.to_stored(values), to_pixels(values, "on-white"))
