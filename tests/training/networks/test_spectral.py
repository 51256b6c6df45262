import math

import pytest
import torch

from mirage.training.media.sound import Sound
from mirage.training.networks.families import FAMILIES, read_architecture
from mirage.training.networks.spectral import (
    QUIET,
    Discriminator,
    SpectralArchitecture,
    Spectrogram,
)
from mirage.training.optim.losses import gradient_penalty
from tests.training.helpers.sequences import sequence_architecture, tone


def architecture(length: int = 50, num_classes: int = 3) -> SpectralArchitecture:
    values = sequence_architecture(
        Sound(length=length, sample_rate=8000), num_classes=num_classes
    ).model_dump()
    more = {"family": "spectral", "discriminator_widths": (8, 8, 8)}
    return SpectralArchitecture.model_validate(values | more)


@pytest.mark.parametrize("length", [50, 256, 1000])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_networks_fit_any_length(length: int, num_classes: int) -> None:
    a = architecture(length, num_classes)
    labels = torch.arange(5) % 3 if num_classes else None
    sounds = FAMILIES["spectral"].generator(a)(torch.randn(5, 6), labels)
    assert sounds.shape == (5, 1, length)
    assert Discriminator(a)(sounds, labels).shape == (5,)


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
    discriminator = Discriminator(architecture(num_classes=0))
    sounds = torch.randn(3, 1, 50, requires_grad=True)
    gradient_penalty(sounds, discriminator(sounds)).mean().backward()
    assert discriminator.first.weight.grad is not None
    assert discriminator.first.weight.grad.any()


def test_weights_do_not_store_the_transform() -> None:
    assert "spectrogram.bases" not in Discriminator(architecture()).state_dict()


def test_an_architecture_is_stored_as_text() -> None:
    assert read_architecture(architecture().model_dump_json()) == architecture()
