import pytest
import torch
from torch import nn

from mirage.training.optim.ema import copy_weights, ema_beta, limited_half_life, update_ema


@pytest.mark.parametrize(("half_life_kimg", "beta"), [(0, 0.0), (0.064, 0.5), (0.128, 0.5**0.5)])
def test_beta_halves_the_average_after_its_half_life(half_life_kimg: float, beta: float) -> None:
    assert ema_beta(half_life_kimg, batch_size=64) == pytest.approx(beta)


def test_moves_parameters_and_running_averages_and_copies_counts() -> None:
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(average.weight, 0.0)
    nn.init.constant_(network.weight, 1.0)
    network.running_mean.fill_(4.0)
    network.num_batches_tracked.fill_(7)
    update_ema(average, network, half_life_kimg=1.0, batch_size=2000)
    assert average.weight.item() == pytest.approx(0.75)
    assert average.running_mean.item() == pytest.approx(3.0)
    assert average.num_batches_tracked.item() == 7


def test_weights_are_copied() -> None:
    average, network = nn.Linear(3, 3), nn.Linear(3, 3)
    copy_weights(average, network)
    assert torch.equal(average.weight, network.weight)


@pytest.mark.parametrize(("nimg", "half_life_kimg"), [(0, 0.0), (1000, 0.05), (10**6, 20.0)])
def test_an_early_half_life_is_limited_by_the_images_seen(nimg: int, half_life_kimg: float) -> None:
    assert limited_half_life(20.0, nimg) == pytest.approx(half_life_kimg)
