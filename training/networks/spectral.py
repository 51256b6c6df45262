"""A discriminator of sounds that sees their spectrograms.

Its first layer is a fixed short-time Fourier transform, as in the discriminators of vocoders (You
et al., "GAN vocoder: multi-resolution discriminator is all you need", Interspeech 2021). On raw
samples it would first have to learn one, which small networks do not.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks import base
from mirage.training.networks.harmonic import HarmonicArchitecture
from mirage.training.networks.layers import activate, scaled
from mirage.training.networks.sequence import shorter
from mirage.training.networks.strided import projected_logits

WINDOW, HOP = 256, 64
"""In samples: bands of 31 Hz, every 8 ms at 8 kHz."""
QUIET = 0.001
"""Amplitude relative to full scale below which the logarithm flattens."""


class Spectrogram(nn.Module):
    """Sounds float [N, 1, T] -> logarithms of magnitudes float32 [N, 128, T / HOP], 0 for silence.

    T: a multiple of `HOP`. A sine at full scale gives log(1 / `QUIET`). Windows are Hann's.
    """

    bases: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(WINDOW)
        bands = torch.arange(1, WINDOW // 2 + 1)[:, None]
        angles = 2 * math.pi / WINDOW * bands * torch.arange(WINDOW)
        waves = torch.cat([angles.cos(), angles.sin()]) * window / (window.sum() / 2)
        self.register_buffer("bases", waves.unsqueeze(1), persistent=False)

    def forward(self, sounds: Tensor) -> Tensor:
        with torch.autocast(sounds.device.type, enabled=False):  # bfloat16 has 8 bits
            waves = F.conv1d(sounds.float(), self.bases, stride=HOP, padding=(WINDOW - HOP) // 2)
            cosines, sines = waves.chunk(2, dim=1)
            power = cosines.square() + sines.square() + QUIET**2
            return power.log() / 2 - math.log(QUIET)


class Discriminator(base.Discriminator):
    """Spectrogram -> strided convolutions over time -> hidden layer, with a class projection."""

    def __init__(self, a: HarmonicArchitecture) -> None:
        super().__init__()
        widths = a.discriminator_widths
        halvings = 2 ** (len(widths) - 1)
        windows = -(-a.medium.length // (HOP * halvings)) * halvings
        self.missing = windows * HOP - a.medium.length
        self.spectrogram = Spectrogram()
        self.first = scaled(nn.Conv1d(WINDOW // 2, widths[0], 3, padding=1))
        self.downs = nn.ModuleList(shorter(fine, coarse, 2, 2) for fine, coarse in pairwise(widths))
        self.hidden = scaled(nn.Linear(widths[-1] * windows // halvings, a.hidden))
        self.logit = nn.Linear(a.hidden, 1)
        self.embed = nn.Embedding(a.num_classes, a.hidden) if a.num_classes else None

    def represent(self, images: Tensor) -> Tensor:
        """Spectrograms float32 [N, 128, windows] of sounds float [N, 1, T].

        Penalties on gradients of samples would hold for quiet sounds alone, since the slope of the
        logarithm is the inverse of the amplitude.
        """
        return self.spectrogram(F.pad(images, (0, self.missing)))

    def features(self, images: Tensor) -> Tensor:
        x = self.first(images)
        for down in self.downs:
            x = down(activate(x))
        return activate(self.hidden(activate(x).flatten(1)))

    def logits(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        return projected_logits(features, labels, self.logit, self.embed)
