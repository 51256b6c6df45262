import math

import pytest
import torch

from mirage.training.networks.spectral import QUIET, Discriminator, Spectrogram
from mirage.training.optim.losses import gradient_penalty
from tests.training.helpers.harmonic import harmonic_architecture
from tests.training.helpers.sequences import tone


def test_a_sine_is_loud_in_its_band_alone() -> None:
    sound = 2 * torch.from_numpy(tone(1000, 0.128, 8000))[None, None]  # at full scale
    middle = Spectrogram()(sound)[0, :, 8]
    band = 1000 * 256 // 8000 - 1  # without the constant
    assert middle.argmax() == band
    assert middle[band].item() == pytest.approx(-math.log(QUIET), abs=0.01)
    assert middle[band + 3 :].max() < 0.1


def test_silence_is_zero_and_has_a_gradient() -> None:
    sound = torch.zeros(1, 1, 256, requires_grad=True)
    magnitudes = Spectrogram()(sound)
    magnitudes.sum().backward()
    assert magnitudes.abs().max() < 1e-5
    assert sound.grad is not None
    assert torch.isfinite(sound.grad).all()


def test_the_gradient_penalty_can_be_differentiated_once_more() -> None:
    discriminator = Discriminator(harmonic_architecture(length=50, num_classes=0))
    seen = discriminator.represent(torch.randn(3, 1, 50)).requires_grad_()
    logits = discriminator.logits(discriminator.features(seen))
    gradient_penalty(seen, logits).mean().backward()
    assert discriminator.first.weight.grad is not None
    assert discriminator.first.weight.grad.any()


def test_weights_do_not_store_the_transform() -> None:
    assert "spectrogram.bases" not in Discriminator(harmonic_architecture()).state_dict()
