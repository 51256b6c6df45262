import pytest
import torch

from mirage.training.optim.optimizers import OPTIMIZERS, build_optimizer, set_schedule


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_minimises(name: str) -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = build_optimizer(name, [weight], beta1=0.0)
    set_schedule(optimizer, lr=0.1, beta2=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert abs(weight.item()) < 0.3


def test_the_schedule_keeps_beta_1() -> None:
    optimizer = build_optimizer("adam", [torch.nn.Parameter(torch.zeros(1))], beta1=0.25)
    set_schedule(optimizer, lr=0.5, beta2=0.75)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["betas"] == (0.25, 0.75)


def test_beta_2_sets_alpha_of_rmsprop() -> None:
    optimizer = build_optimizer("rmsprop", [torch.nn.Parameter(torch.zeros(1))], beta1=0.25)
    set_schedule(optimizer, lr=0.5, beta2=0.75)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["alpha"], group["momentum"]) == (0.5, 0.75, 0.25)


def test_sgd_ignores_beta_2() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = build_optimizer("sgd", [weight], beta1=0.0)
    set_schedule(optimizer, lr=0.5, beta2=0.75)
    weight.square().sum().backward()
    optimizer.step()
    assert weight.item() == 0.0
