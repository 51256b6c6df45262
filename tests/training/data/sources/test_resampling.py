import numpy as np
import pytest

from mirage.training.data.sources.resampling import resample
from tests.training.helpers.sequences import tone


@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 16000), (44100, 8000), (8000, 11025)])
def test_a_tone_keeps_its_frequency_and_amplitude(rate: int, new_rate: int) -> None:
    made = resample(tone(500, 0.4, rate), rate, new_rate)
    expected = tone(500, 0.4, new_rate)
    assert len(made) == len(expected)
    inside = slice(new_rate // 20, -new_rate // 20)  # the ends have no neighbours
    np.testing.assert_allclose(made[inside], expected[inside], atol=0.002)


def test_frequencies_that_the_new_rate_cannot_have_vanish() -> None:
    made = resample(tone(6000, 0.5, 16000), 16000, 8000)
    assert np.abs(made[400:-400]).max() < 0.001


def test_the_length_is_rounded_up() -> None:
    assert len(resample(np.zeros(7, np.float32), 44100, 8000)) == 2
    assert len(resample(np.zeros(1, np.float32), 8000, 44100)) == 6


def test_the_same_rate_changes_nothing() -> None:
    samples = tone()
    assert resample(samples, 8000, 8000) is samples
