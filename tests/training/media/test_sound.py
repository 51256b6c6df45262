import numpy as np
import torch

from mirage.training.media.sound import Sound, spectrograms
from tests.training.helpers.sequences import tone

SOUND = Sound(length=4, sample_rate=8000)


def test_stored_samples_survive_the_networks_representation() -> None:
    stored = np.array([[0, 32767, -32767, 12345]], np.int16)
    values = SOUND.to_values(stored)
    assert values.shape == (1, 1, 4)
    assert values.abs().max() == 1
    np.testing.assert_array_equal(SOUND.to_stored(values).numpy(), stored)


def test_outputs_beyond_full_scale_are_clipped() -> None:
    stored = SOUND.to_stored(torch.tensor([[[2.0, -3.0, 0.5, 0.0]]]))
    assert stored.dtype == torch.int16
    assert stored.tolist() == [[32767, -32767, 16384, 0]]


def test_a_spectrogram_shows_a_tone_as_a_line_at_its_frequency() -> None:
    stored = (32767 * tone(1000, 1, 8000)).astype(np.int16)[None]
    picture = spectrograms(stored)[0, ..., 0]
    assert picture.shape == (64, 64)
    band = 63 - 1000 // 62.5  # row 0 is the highest frequency
    assert set(picture.argmax(0)) <= {band, band + 1}
    assert picture.max() == round(255 * (1 - 6.02 / 80))  # half of full scale is -6 dB


def test_silence_is_black() -> None:
    assert not spectrograms(np.zeros((2, 5000), np.int16)).any()


def test_sounds_shorter_than_a_window_are_drawn() -> None:
    assert spectrograms(np.full((2, 10), 9999, np.int16)).shape == (2, 64, 64, 1)
