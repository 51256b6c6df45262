from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mirage.training.networks.families import FAMILIES, read_architecture
from mirage.training.networks.harmonic import (
    BANDS,
    FRAME,
    HarmonicArchitecture,
    SourceBank,
    band_weights,
    interpolation,
    noise_bands,
)
from mirage.training.publish.export import check_parity, export_onnx
from tests.training.helpers.harmonic import harmonic_architecture
from tests.training.helpers.sequences import snapshot_of

RATE = 8000
LOWEST, HIGHEST = 65, 230  # Hz


def strengths(sound: torch.Tensor) -> np.ndarray:
    """Amplitudes of the frequencies from 0 to half the sample rate, of float32 [1, 1, T]."""
    samples = sound[0, 0].numpy()
    window = np.hanning(len(samples))
    return np.asarray(2 * np.abs(np.fft.rfft(samples * window)) / window.sum())


def sound_of(
    pitch: float, voiced: float = 0.0, unvoiced: float = 0.0, bands: slice = slice(None)
) -> torch.Tensor:
    """What the bank makes of a steady pitch in Hz and of amplitudes in some of the bands."""
    frames = 32
    bank = SourceBank(harmonic_architecture(length=frames * FRAME))
    place = np.log(pitch / LOWEST) / np.log(HIGHEST / LOWEST)
    envelopes = torch.zeros(2, 1, BANDS, frames)
    envelopes[0, :, bands] = voiced
    envelopes[1, :, bands] = unvoiced
    return bank(torch.full((1, bank.between.shape[0]), float(place)), *envelopes)


@pytest.mark.parametrize("length", [50, 256, 1000])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_networks_fit_any_length(length: int, num_classes: int) -> None:
    a = harmonic_architecture(length, num_classes)
    labels = torch.arange(5) % 3 if num_classes else None
    sounds = FAMILIES["harmonic"].generator(a)(torch.randn(5, 6), labels)
    assert sounds.shape == (5, 1, length)
    assert FAMILIES["harmonic"].discriminator(a)(sounds, labels).shape == (5,)


def test_oscillators_sound_at_the_multiples_of_the_pitch() -> None:
    found = strengths(sound_of(pitch=200, voiced=0.1))
    hertz = np.arange(len(found)) * RATE / 2 / (len(found) - 1)
    distance = np.abs(hertz - 200 * (hertz / 200).round())
    assert found[(distance < 2) & (hertz > 150) & (hertz < 3800)] == pytest.approx(0.1, abs=0.02)
    assert found[distance > 40].max() < 0.002


def test_an_envelope_chooses_among_the_harmonics() -> None:
    found = strengths(sound_of(pitch=100, voiced=0.5, bands=slice(8, 9)))  # 1,000 Hz
    peak = found.argmax() * RATE / 2 / (len(found) - 1)
    assert peak == pytest.approx(1000, abs=4)
    assert found.max() == pytest.approx(0.5, abs=0.02)


def test_nothing_sounds_at_half_the_sample_rate() -> None:
    found = strengths(sound_of(pitch=199, voiced=0.1, bands=slice(BANDS - 1, BANDS)))
    assert found.argmax() * RATE / 2 / (len(found) - 1) == pytest.approx(199 * 19, abs=4)
    assert found[-4:].max() < 0.02


def test_noise_stays_in_its_band() -> None:
    sound = sound_of(pitch=200, unvoiced=0.5, bands=slice(8, 9))
    power = strengths(sound) ** 2
    width = len(power) / BANDS
    band = power[int(7 * width) : int(9 * width) + 2]
    assert band.sum() / power.sum() > 0.95
    assert sound.square().mean().sqrt().item() == pytest.approx(0.5, rel=0.4)


def test_noise_is_the_same_in_every_process() -> None:
    bands = noise_bands(256)
    assert torch.equal(bands, noise_bands(256))
    assert bands.square().mean(dim=1).numpy() == pytest.approx(1.0)


def test_the_phase_is_the_integral_of_a_gliding_pitch() -> None:
    bank = SourceBank(harmonic_architecture(length=8 * FRAME))
    steps = torch.rand(2, 9, generator=torch.Generator().manual_seed(0)) / 16
    phases = bank._phases(steps[:, :-1], steps[:, 1:]).flatten(1).double().numpy()
    fine = np.linspace(0, 8, 8 * FRAME * 64 + 1)
    for row, expected in zip(phases, steps.double().numpy(), strict=True):
        pitch = np.interp(fine, np.arange(9), expected)
        cycles = np.concatenate([[0], np.cumsum((pitch[1:] + pitch[:-1]) / 2) / 64])[:-1:64]
        apart = row - cycles
        assert np.abs(apart - apart.round()).max() < 1e-4


def test_amplitudes_are_interpolated_between_frames() -> None:
    bank = SourceBank(harmonic_architecture(length=2 * FRAME))
    envelopes = torch.zeros(2, 1, BANDS, 2)
    envelopes[0, :, :, 1] = 0.5
    sound = bank(torch.full((1, 1), 0.5), *envelopes)[0, 0].abs()
    assert sound[0] == 0
    assert sound[: FRAME // 4].max() < sound[FRAME // 2 : FRAME].max() < sound[FRAME:].max()


def test_the_first_latent_decides_the_pitch() -> None:
    generator = FAMILIES["harmonic"].generator(harmonic_architecture(4096, num_classes=0))
    seen: list[torch.Tensor] = []
    generator.bank.register_forward_hook(lambda bank, inputs, output: seen.append(inputs[0]))
    latents = torch.randn(1, 6).repeat(2, 1)
    latents[:, 0] = torch.tensor([-2.0, 2.0])
    generator(latents)
    low, high = seen[0]
    assert low.max() < 0.15
    assert high.min() > 0.85


def test_bands_are_weighted_by_their_distance() -> None:
    found = band_weights(torch.tensor([0.0, 2.25, BANDS]) / (2 * BANDS))
    assert found[0].tolist() == [1.0] + [0.0] * (BANDS - 1)
    assert found[1, 2:4].tolist() == pytest.approx([0.75, 0.25])
    assert found[2].sum() == 0


def test_interpolation_goes_from_the_first_knot_to_the_last() -> None:
    values = torch.tensor([1.0, 3.0, 2.0]) @ interpolation(3, 5)
    assert values.tolist() == [1.0, 2.0, 3.0, 2.5, 2.0]


def test_every_weight_gets_a_gradient() -> None:
    generator = FAMILIES["harmonic"].generator(harmonic_architecture())
    for layer in generator.modules():  # the last convolutions of residual blocks begin at 0
        if isinstance(layer, torch.nn.Conv1d):
            torch.nn.init.normal_(layer.weight, std=0.3)
    sounds = generator(torch.randn(4, 6), torch.arange(4) % 3)
    sounds.diff().square().mean().backward()
    without = [
        name
        for name, weight in generator.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    assert without == []


def test_the_exported_graph_makes_the_same_sounds(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, harmonic_architecture(length=4096))
    check_parity(snapshot, export_onnx(snapshot))


def test_weights_do_not_store_what_is_fixed() -> None:
    state = FAMILIES["harmonic"].generator(harmonic_architecture()).state_dict()
    assert not [name for name in state if name.startswith("bank.") or name.endswith(".between")]


@pytest.mark.parametrize("pitches", [(230, 65), (10, 230), (65, 5000)])
def test_pitches_outside_of_the_range_are_refused(pitches: tuple[int, int]) -> None:
    values = harmonic_architecture().model_dump() | {"pitches": pitches}
    with pytest.raises(ValidationError, match=r"pitches are .* allowed are 15.625 to 4000 Hz"):
        HarmonicArchitecture.model_validate(values)


def test_an_architecture_is_stored_as_text() -> None:
    a = harmonic_architecture()
    assert read_architecture(a.model_dump_json()) == a
