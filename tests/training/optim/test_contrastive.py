"""The contrastive loss: low where places correspond, and blind to places that are the same."""

import math

import torch
import torch.nn.functional as F

from mirage.training.optim.contrastive import PATCHES, contrastive_loss, draw_places


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(1, count, 32, generator=torch.Generator().manual_seed(seed))
    return F.normalize(drawn, dim=2)


def test_corresponding_places_have_a_lower_loss_than_others() -> None:
    keys = vectors(16)
    same = contrastive_loss([keys], [keys])
    other = contrastive_loss([vectors(16, 1)], [keys])
    shuffled = contrastive_loss([keys.roll(1, dims=1)], [keys])
    assert same < 0.1 < other < shuffled


def test_places_that_are_the_same_are_not_told_apart() -> None:
    white = vectors(1).expand(1, 16, 32)
    assert contrastive_loss([white], [white]) == 0
    two = torch.cat([white, vectors(1, 1).expand(1, 16, 32)], dim=1)
    assert contrastive_loss([two], [two]) < math.log(16)


def test_the_source_gets_no_gradient() -> None:
    queries, keys = vectors(8, 1).requires_grad_(), vectors(8).requires_grad_()
    contrastive_loss([queries], [keys]).backward()
    assert queries.grad is not None
    assert keys.grad is None


def test_places_are_drawn_without_repeats() -> None:
    small, large = draw_places([torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 32, 32)])
    assert sorted(small.tolist()) == list(range(16))
    assert len(set(large.tolist())) == PATCHES
