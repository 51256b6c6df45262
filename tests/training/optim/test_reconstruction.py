import torch

from mirage.training.optim.reconstruction import reconstruction_loss


def test_equal_images_are_no_distance_apart() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert reconstruction_loss(images, images) == 0


def test_a_shade_counts_twice_and_what_averages_out_once() -> None:
    flat = torch.zeros(2, 1, 8, 8)
    assert reconstruction_loss(flat + 0.5, flat) == 1.0
    checks = (torch.arange(8)[:, None] + torch.arange(8)) % 2 - 0.5
    assert reconstruction_loss(flat + checks, flat) == 0.5
