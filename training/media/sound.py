"""Sounds: samples of one channel, int16 [N, T]."""

from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mirage.bundle.format.details import Sound as Details
from mirage.bundle.format.interface import FORMS, audio_tensors

FULL_SCALE = 32_767
WINDOW, FRAMES, BANDS = 256, 64, 64
"""Of a spectrogram: samples of a window, windows, and bands of equal width: 62.5 Hz at 8 kHz."""
QUIETEST_DB = -80.0
"""Drawn black; 0 dB, white, is a sine at full scale."""
COLUMNS = 10
(MAX_LENGTH,) = FORMS["audio"].longest


class Sound(BaseModel):
    """Sounds of `length` samples at `sample_rate` Hz."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: Literal["audio"] = "audio"
    length: int = Field(ge=1, le=MAX_LENGTH)
    sample_rate: int = Field(ge=1, le=384_000)

    @property
    def noun(self) -> str:
        return "sounds"

    @property
    def columns(self) -> int:
        return COLUMNS

    @property
    def channels(self) -> int:
        """Channels of the networks' values."""
        return 1

    @property
    def picture_size(self) -> tuple[int, int]:
        return BANDS, FRAMES

    @property
    def shown_side(self) -> int:
        return max(self.picture_size)

    @property
    def form(self) -> str:
        seconds = self.length / self.sample_rate
        return f"{self.length:,} samples at {self.sample_rate:,} Hz ({seconds:.3g} s)"

    def to_values(self, stored: np.ndarray) -> Tensor:
        """Scale int16 [N, T] to float32 [N, 1, T] in [-1, 1]."""
        return torch.from_numpy(stored.astype(np.float32) / FULL_SCALE).unsqueeze(1)

    def to_stored(self, values: Tensor) -> Tensor:
        """Clamp float32 [N, 1, T], scale and round to int16 [N, T]."""
        return (values.clamp(-1, 1) * FULL_SCALE).round().to(torch.int16).squeeze(1)

    def outputs(self, x: Tensor) -> Tensor:
        """The output of a generator whose last layer gives x float32 [N, 1, T]."""
        return x

    def pictures(self, stored: np.ndarray) -> np.ndarray:
        """Spectrograms uint8 [N, 64, 64, 1], low frequencies at the bottom."""
        return spectrograms(stored)

    def examples(self, stored: np.ndarray) -> list[str]:
        return []

    def tensors(self, latent_dim: int, num_classes: int) -> dict[str, Any]:
        tensors = audio_tensors(latent_dim, num_classes, self.length)
        return {**tensors, "sound": Details(sample_rate=self.sample_rate), "sequence": None}

    def as_options(self) -> dict[str, Any]:
        return {"sample_rate": self.sample_rate, "length": self.length}

    @property
    def shape_text(self) -> str:
        return self.form

    def summary(self) -> dict[str, str]:
        return {"length": f"{self.length:,} samples", "sample rate": f"{self.sample_rate:,} Hz"}

    def facts(self) -> dict[str, Any]:
        return {"medium": self.model_dump()}


def spectrograms(stored: np.ndarray) -> np.ndarray:
    """Power spectra of int16 [N, T] over time as grey levels: uint8 [N, 64, 64, 1].

    Windows are Hann's and spread evenly over the sound; those of short sounds overlap.
    """
    size = min(WINDOW, stored.shape[1])
    starts = np.linspace(0, stored.shape[1] - size, FRAMES).round().astype(int)
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    scale = FULL_SCALE * window.sum() / 2
    drawn = np.empty((len(stored), BANDS, FRAMES, 1), np.uint8)
    for number, samples in enumerate(stored):
        frames = samples[starts[:, None] + np.arange(size)] * (window / scale)
        power = np.abs(np.fft.rfft(frames, WINDOW)[:, 1:]) ** 2
        bands = power.reshape(FRAMES, BANDS, -1).max(2)
        decibels = 10 * np.log10(np.maximum(bands, 10 ** (QUIETEST_DB / 10)))
        levels = 255 * (1 - decibels / QUIETEST_DB)
        drawn[number, ..., 0] = levels.clip(0, 255).round().astype(np.uint8).T[::-1]
    return drawn
