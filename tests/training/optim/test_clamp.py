import torch

from mirage.training.optim.clamp import soft_clamp


def test_compresses_values_outside_of_the_range() -> None:
    images = torch.tensor([-3.0, -1.0, 0.5, 1.0, 2.0])
    expected = torch.tensor([-1.04, -1.0, 0.5, 1.0, 1.02])
    torch.testing.assert_close(soft_clamp(images, 0.02), expected)


def test_a_slope_of_one_is_the_identity() -> None:
    images = torch.tensor([-3.0, 2.0])
    assert soft_clamp(images, 1.0) is images


def test_values_outside_of_the_range_have_a_gradient() -> None:
    images = torch.tensor([-3.0, 0.5, 2.0], requires_grad=True)
    soft_clamp(images, 0.02).sum().backward()
    torch.testing.assert_close(images.grad, torch.tensor([0.02, 1.0, 0.02]))
