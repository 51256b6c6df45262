"""Draw the picture of sound.md: spectrograms of recordings beside those of generated digits.

    make serve                         # in another terminal
    python docs/spoken_digits.py data/spoken-digits docs/spoken-digits.png [http://localhost:8000]

A row per digit: the first recordings of its folder, then the first sounds of seed 1, unselected.
"""

import io
import sys
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from mirage.client import Client
from mirage.training.data.load import load_dataset

MODEL = "spoken-digits"
DIGITS = (0, 1, 3, 6, 8)
EACH = 4
SAMPLES = 6400  # 0.8 seconds, in which all digits have ended
WINDOW, HOP = 256, 32
QUIETEST_DB = -80.0
GAP = 6  # white pixels between recordings and generated sounds


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Decibels of full scale as grey levels uint8 [129, windows], high frequencies on top."""
    window = np.hanning(WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(samples[:SAMPLES] / 32767, WINDOW)[::HOP]
    strengths = np.abs(np.fft.rfft(frames * window)) * 2 / window.sum()
    decibels = 20 * np.log10(np.maximum(strengths, 10 ** (QUIETEST_DB / 20)))
    levels: np.ndarray = np.round(255 * (1 - decibels / QUIETEST_DB)).astype(np.uint8)
    return levels.T[::-1]


def samples_of(wav: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def row(recordings: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    left, right = (np.hstack([spectrogram(each) for each in part]) for part in (recordings, sounds))
    return np.hstack([left, np.full((len(left), GAP), 255, np.uint8), right])


def main(data: Path, target: Path, url: str = "http://localhost:8000") -> None:
    recordings = load_dataset(data)
    rows = []
    with Client(url) as client:
        for digit in DIGITS:
            own = np.flatnonzero(np.asarray(recordings.labels) == digit)[:EACH]
            files = client.generate_files(EACH, seed=1, labels=digit, model=MODEL)
            made = np.stack([samples_of(file.data) for file in files])
            rows.append(row(recordings.images[own], made))
    Image.fromarray(np.vstack(rows)).save(target, optimize=True)


if __name__ == "__main__":
    source, drawn, *rest = sys.argv[1:]
    main(Path(source), Path(drawn), *rest)
