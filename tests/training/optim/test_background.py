import numpy as np
import torch

from mirage.training.media.pixels import to_planes
from mirage.training.optim.background import over_background

RANDOM = torch.tensor([[0.0, 0.5, 1.0], [0.25, 0.25, 0.25]])


def planes(seed: int = 0) -> torch.Tensor:
    images = np.random.default_rng(seed).integers(0, 256, (2, 4, 4, 4), np.uint8)
    images[:, 0, 0, 3], images[:, 0, 1, 3] = 0, 255
    return to_planes(images, "on-white")


def test_is_the_picture_over_that_colour() -> None:
    before = planes()
    after = over_background(before, RANDOM)
    torch.testing.assert_close(after[0, :3, 0, 0], 2 * RANDOM[0] - 1)
    assert torch.equal(after[:, :3, 0, 1], before[:, :3, 0, 1])
    share = (before[:, 3:] + 1) / 2
    straight = (before[:, :3] - (1 - share)) / share.clamp(min=1e-3)
    wanted = straight * share + (2 * RANDOM[:, :, None, None] - 1) * (1 - share)
    seen = (share > 1e-3).expand_as(wanted)
    torch.testing.assert_close(after[:, :3][seen], wanted[seen])


def test_opacity_stays_and_white_changes_nothing() -> None:
    before = planes()
    assert torch.equal(over_background(before, RANDOM)[:, 3], before[:, 3])
    torch.testing.assert_close(over_background(before, torch.ones(2, 3)), before)
