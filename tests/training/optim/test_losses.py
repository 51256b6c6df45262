import math

import pytest
import torch

from mirage.training.optim.losses import LOSSES, gradient_penalty, slope_penalty

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        (
            "relativistic",
            (softplus(0.5 - 2) + softplus(1 - -1)) / 2,
            (softplus(2 - 0.5) + softplus(-1 - 1)) / 2,
        ),
        (
            "non-saturating",
            (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(1)) / 2,
            (softplus(-0.5) + softplus(-1)) / 2,
        ),
        (
            "saturating",
            (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(1)) / 2,
            -(softplus(0.5) + softplus(1)) / 2,
        ),
        ("hinge", (0 + 2) / 2 + (1.5 + 2) / 2, -(0.5 + 1) / 2),
        ("least-squares", ((1 + 4) / 2 + (0.25 + 1) / 2) / 2, (0.25 + 0) / 2 / 2),
        ("wasserstein", (0.5 + 1) / 2 - (2 - 1) / 2, -(0.5 + 1) / 2),
    ],
)
def test_losses_equal_their_formulas(name: str, discriminator: float, generator: float) -> None:
    loss = LOSSES[name]
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert loss.generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_favour_each_network(name: str) -> None:
    """The discriminator's loss falls when fakes look less real; the generator's when more."""
    loss = LOSSES[name]
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    to_fake = torch.autograd.grad(loss.discriminator(real, fake), fake)[0]
    assert (to_fake > 0).all()
    to_fake = torch.autograd.grad(loss.generator(real, fake), fake)[0]
    assert (to_fake <= 0).all()  # least squares is at rest where a fake's logit is 1
    assert (to_fake < 0).any()


def test_the_penalty_of_a_linear_function_is_its_squared_weight_norm() -> None:
    weights = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(4, 1, 2, 3, requires_grad=True)
    logits = (images * weights).sum((1, 2, 3))
    penalty = gradient_penalty(images, logits)
    torch.testing.assert_close(penalty, weights.square().sum().expand(4))


def test_the_penalty_is_per_image_and_differentiable() -> None:
    scale = torch.tensor(3.0, requires_grad=True)
    images = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).requires_grad_()
    penalty = gradient_penalty(images, scale * images.flatten().square())
    torch.testing.assert_close(penalty, torch.tensor([36.0, 144.0]))  # (2 * 3 * x)^2
    (gradient,) = torch.autograd.grad(penalty.sum(), scale)
    torch.testing.assert_close(gradient, torch.tensor(2 * 4 * 3 * (1.0 + 4.0)))  # d(4 s^2 x^2)/ds


def test_the_penalty_of_a_bfloat16_network_is_squared_in_float32() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 1.0078125)  # its square has more digits than bfloat16
    images = torch.ones(2, 1, 1, 1, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(images.flatten(1)).squeeze(1)
    penalty = gradient_penalty(images, logits)
    assert penalty.tolist() == [1.0078125**2] * 2
    penalty.sum().backward()
    assert layer.weight.grad is not None


def test_the_slope_penalty_is_zero_for_slope_one() -> None:
    images = torch.zeros(3, 1, 1, 2, requires_grad=True)
    weights = torch.tensor([[0.6, 0.8], [3.0, 4.0], [0.0, 0.0]])  # of lengths 1, 5 and 0
    penalty = slope_penalty(images, (images.flatten(1) * weights).sum(1))
    torch.testing.assert_close(penalty, torch.tensor([0.0, 16.0, 1.0]), atol=1e-5, rtol=1e-5)


def test_only_wasserstein_has_a_slope_penalty() -> None:
    assert [name for name, loss in LOSSES.items() if loss.slope] == ["wasserstein"]
