import numpy as np
import pytest
import torch

from mirage.training.optim.fidelity import CONTENT_LOSSES, EPSILON, luma, psnr


def test_black_and_white_are_16_and_235() -> None:
    pixels = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert luma(pixels)[0].tolist() == pytest.approx([16, 235])


def test_luma_of_grey_is_unchanged() -> None:
    assert luma(np.array([[[7], [200]]], np.uint8)).tolist() == [[7, 200]]


def test_psnr_of_a_known_difference() -> None:
    flat = np.zeros((4, 4))
    assert psnr(flat, flat + 255) == 0
    assert psnr(flat, flat + 25.5) == pytest.approx(20)
    assert psnr(flat, flat) == 100


def test_charbonnier_is_absolute_for_large_and_smooth_for_small_differences() -> None:
    loss, zero = CONTENT_LOSSES["charbonnier"], torch.zeros(1)
    assert loss(torch.ones(1), zero).item() == pytest.approx(1, abs=1e-5)
    near = torch.tensor([EPSILON / 100], requires_grad=True)
    loss(near, zero).backward()
    assert near.grad is not None
    assert near.grad.item() == pytest.approx(0.01, rel=1e-3)
