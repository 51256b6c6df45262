"""Training data of the preset `sound`: digits that espeak-ng speaks, as WAV, a folder per digit.

digits/0-zero/00000.wav  digits/9-nine/00599.wav
"""

import io
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import DataError

SPEAKER = "espeak-ng"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = (
    *("en-us+f2", "en-us+f4", "en-us+m2", "en-us+m3"),
    *("en-gb+f1", "en-gb+f3", "en-gb+m1", "en-gb+m7"),
)
"""Accents with variants of espeak-ng: four female and four male ones."""
PITCHES = 30, 70
"""Of 0 to 99; the default of espeak-ng is 50."""
SPEEDS = 120, 180
"""Words per minute; the default of espeak-ng is 175."""
RATE, PEAK = 8_000, 0.8
LENGTH = 8_192
SILENCE = 0.02
"""Of the peak: what precedes the first louder sample is cut off, but for 10 ms."""
LEAD_S = 0.01


@dataclass(frozen=True)
class Utterance:
    """How one digit is spoken."""

    digit: int
    voice: str
    pitch: int
    speed: int


def write_spoken_digits(folder: Path, each: int, seed: int = 0) -> int:
    """Write `each` recordings of every digit: 8 kHz, 8,192 samples; return their number.

    Voices, pitches and speeds are drawn with the seed. Existing files are replaced. Raises
    DataError if espeak-ng is missing or fails.
    """

    def write(item: tuple[int, Utterance]) -> None:
        number, utterance = item
        name = f"{utterance.digit}-{DIGITS[utterance.digit]}"
        path = folder / name / f"{number:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(to_wav(fitted(*spoken(utterance))))

    items = list(enumerate(draw_utterances(each, seed)))
    with ThreadPoolExecutor(2) as pool:  # each waits for a process
        list(tqdm(pool.map(write, items), total=len(items), desc="speaking", unit="sound"))
    return len(items)


def draw_utterances(each: int, seed: int) -> list[Utterance]:
    """`each` utterances of every digit, in turn."""
    rng = np.random.Generator(np.random.Philox(seed))
    return [
        Utterance(
            digit=number % len(DIGITS),
            voice=VOICES[rng.integers(len(VOICES))],
            pitch=int(rng.integers(PITCHES[0], PITCHES[1], endpoint=True)),
            speed=int(rng.integers(SPEEDS[0], SPEEDS[1], endpoint=True)),
        )
        for number in range(each * len(DIGITS))
    ]


def spoken(utterance: Utterance) -> tuple[np.ndarray, int]:
    """Samples float64 [T] in [-1, 1] of one channel, and their rate in Hz."""
    options = ["-v", utterance.voice, "-p", str(utterance.pitch), "-s", str(utterance.speed)]
    try:
        done = subprocess.run(
            [SPEAKER, *options, "--stdout", DIGITS[utterance.digit]],
            capture_output=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise DataError(f"{SPEAKER} is not installed (Debian: {SPEAKER})") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise DataError(f"{SPEAKER} cannot speak with {utterance.voice}: {reason}") from error
    with wave.open(io.BytesIO(done.stdout)) as opened:
        # a stream's header states no length, so all that follows it is read
        samples = np.frombuffer(opened.readframes(len(done.stdout)), "<i2")
        return samples / 32_768, opened.getframerate()


def fitted(samples: np.ndarray, rate: int) -> np.ndarray:
    """Resample float64 [T] to 8 kHz, cut leading silence, scale to the peak: int16 [8192]."""
    sound = resampled(samples, rate, RATE)
    peak = np.abs(sound).max()
    if not peak > 0:
        raise DataError(f"{SPEAKER} made silence of {len(samples)} samples")
    loud = int(np.argmax(np.abs(sound) > SILENCE * peak))
    sound = sound[max(0, loud - round(LEAD_S * RATE)) :][:LENGTH]
    sound = np.pad(sound, (0, LENGTH - len(sound)))
    return np.round(sound * (PEAK * 32_767 / np.abs(sound).max())).astype("<i2")


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Resample float64 [T] by cutting its spectrum; silence is added to whole seconds."""
    seconds = -(-len(samples) // rate)
    spectrum = np.fft.rfft(samples, seconds * rate)[: seconds * min(rate, to) // 2 + 1]
    return np.fft.irfft(spectrum, seconds * to) * (to / rate)


def to_wav(sound: np.ndarray) -> bytes:
    """A WAV file of int16 [T] at 8 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(RATE)
        opened.writeframes(sound.tobytes())
    return file.getvalue()
