"""Log-mel spectra of sounds, and their statistics over time."""

import numpy as np

WINDOW, HOP, BANDS = 256, 128, 40
"""Samples of a window, samples between windows, bands: 32 ms and 16 ms at 8 kHz."""
FULL_SCALE = 32_767
QUIETEST = 1e-8
"""Added to the power of each band; 1 is a sine at full scale."""
CHUNK = 256


def log_mel_statistics(sounds: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean and standard deviation over time of each band: int16 [N, T] -> float64 [N, 80].

    In nepers of power; short sounds are padded with silence to one window.
    """
    parts = []
    for start in range(0, len(sounds), CHUNK):
        spectra = log_mel(sounds[start : start + CHUNK], sample_rate)
        parts.append(np.concatenate([spectra.mean(1), spectra.std(1)], axis=1))
    return np.concatenate(parts)


def log_mel(sounds: np.ndarray, sample_rate: int) -> np.ndarray:
    """The logarithm of the power in mel bands: int16 [N, T] -> float64 [N, frames, 40]."""
    missing = max(0, WINDOW - sounds.shape[1])
    samples = np.pad(sounds / FULL_SCALE, ((0, 0), (0, missing)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=1)[:, ::HOP]
    window = np.hanning(WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * (window / (window.sum() / 2)))) ** 2
    return np.log(power @ mel_filters(sample_rate).T + QUIETEST)


def mel_filters(sample_rate: int) -> np.ndarray:
    """Triangular filters, equally wide in mel (O'Shaughnessy 1987): float64 [40, bins]."""
    bins = np.fft.rfftfreq(WINDOW, 1 / sample_rate)
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.clip(np.minimum(rising, falling), 0, None)
