import numpy as np

from mirage.training.evaluation.media.log_mel import (
    BANDS,
    FULL_SCALE,
    QUIETEST,
    log_mel,
    log_mel_statistics,
    mel_filters,
)

RATE = 8_000


def tone(hertz: float, samples: int = 4_096) -> np.ndarray:
    wave = np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)
    return (wave * FULL_SCALE).round().astype(np.int16)


def test_a_tone_is_in_the_band_of_its_frequency() -> None:
    bands = [log_mel(tone(hertz)[None], RATE)[0].mean(0).argmax() for hertz in (300, 1_000, 3_000)]
    centres = [int(mel_filters(RATE)[band].argmax()) * RATE / 256 for band in bands]
    assert np.allclose(centres, (300, 1_000, 3_000), atol=80)


def test_silence_is_the_quietest_level() -> None:
    silence = np.zeros((1, 1_024), np.int16)
    assert np.allclose(log_mel(silence, RATE), np.log(QUIETEST))


def test_twice_the_level_is_four_times_the_power() -> None:
    loud, soft = (log_mel((tone(1_000) // part)[None], RATE) for part in (1, 2))
    band = loud[0].mean(0).argmax()
    assert np.allclose((loud - soft)[0, :, band], np.log(4), atol=1e-2)


def test_statistics_are_means_and_deviations_over_time() -> None:
    steady, beginning = tone(1_000), tone(1_000)
    beginning[2_000:] = 0
    statistics = log_mel_statistics(np.stack([steady, beginning]), RATE)
    assert statistics.shape == (2, 2 * BANDS)
    band = statistics[0, :BANDS].argmax()
    assert statistics[0, BANDS + band] < 0.1 < 1 < statistics[1, BANDS + band]


def test_short_sounds_have_one_window() -> None:
    assert log_mel(tone(1_000, 100)[None], RATE).shape == (1, 1, BANDS)
