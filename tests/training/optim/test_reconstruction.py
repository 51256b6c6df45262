import torch

from mirage.training.optim.reconstruction import reconstruction_loss


def test_the_distance_of_equal_images_is_zero() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert reconstruction_loss(images, images) == 0


def test_uniform_differences_count_twice_and_fine_ones_once() -> None:
    flat = torch.zeros(2, 1, 8, 8)
    assert reconstruction_loss(flat + 0.5, flat) == 1.0
    checks = (torch.arange(8)[:, None] + torch.arange(8)) % 2 - 0.5
    assert reconstruction_loss(flat + checks, flat) == 0.5
