"""Small data sets of sounds and of sequences, and untrained snapshots that make them."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens
from mirage.training.networks.families import FAMILIES
from mirage.training.networks.sequence import SequenceArchitecture
from mirage.training.runs.checkpoint import Snapshot, load_snapshot, save_weights

SOUND = Sound(length=50, sample_rate=1000)
TOKENS = Tokens(length=7, alphabet="abc_", padding="_")
TINY = {
    "widths": [8, 8],
    "strides": [2],
    "blocks": [0, 0],
    "hidden": 8,
    "latent_dim": 6,
    "batch_size": 8,
    "status_kimg": 0.016,
    "snapshot_kimg": 0.032,
    "checkpoint_kimg": 0.016,
}
"""Changes to a preset of sounds or sequences that make a run take seconds."""


def tone(frequency: float = 100, seconds: float = 0.1, rate: int = 1000) -> np.ndarray:
    """A sine at half of full scale: float32 [T]."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = 1000, width: int = 2) -> bytes:
    """A WAV file of float [T] or [T, C] in [-1, 1] with integers of 1 to 4 bytes."""
    frames = samples.reshape(len(samples), -1)
    if width == 1:
        raw = (frames * 127 + 128).round().astype(np.uint8).tobytes()
    else:
        wide = (frames.astype(np.float64) * (2**31 - 1)).round().astype("<i4")
        raw = wide.view(np.uint8).reshape(*frames.shape, 4)[..., 4 - width :].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(frames.shape[1])
        target.setsampwidth(width)
        target.setframerate(rate)
        target.writeframes(raw)
    return file.getvalue()


def write_sounds(folder: Path, count: int = 24) -> Path:
    """Tones of 50 samples in the class folders `high` and `low`."""
    for number in range(count):
        target = folder / ("high", "low")[number % 2]
        target.mkdir(parents=True, exist_ok=True)
        frequency = (200, 50)[number % 2] + number
        (target / f"{number:02}.wav").write_bytes(wav(tone(frequency, 0.05)))
    return folder


def write_words(file: Path, count: int = 24) -> Path:
    """Words of 3 to 7 letters a, b and c, one a line."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abc"), rng.integers(3, 8))) for _ in range(count - 1)]
    file.write_text("\n".join([*words, "abcabca"]) + "\n")
    return file


def make_sequence_snapshot(folder: Path, medium: Sound | Tokens, **changes: Any) -> Snapshot:
    """A snapshot with random weights, written to disk and loaded again."""
    return snapshot_of(folder, sequence_architecture(medium, **changes))


def snapshot_of(folder: Path, architecture: SequenceArchitecture) -> Snapshot:
    """A snapshot of an architecture with random weights."""
    torch.manual_seed(0)
    family = FAMILIES[architecture.family]
    networks = {
        "generator": family.generator(architecture).state_dict(),
        "discriminator": family.discriminator(architecture).state_dict(),
    }
    path = folder / "000008000.safetensors"
    save_weights(path, architecture, {"nimg": "8000"}, **networks)
    return load_snapshot(path)


def sequence_architecture(medium: Sound | Tokens, **changes: Any) -> SequenceArchitecture:
    values = {
        "family": "sequence",
        "medium": medium,
        "latent_dim": 6,
        "widths": (16, 8),
        "strides": (2,),
        "blocks": (1, 0),
        "hidden": 12,
        "num_classes": 3,
    }
    return SequenceArchitecture.model_validate({**values, **changes})
