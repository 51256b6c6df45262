"""A generator of sounds that controls oscillators and noise instead of drawing samples.

Voices and many instruments are harmonics of a pitch, plus noise (Serra & Smith, "Spectral modeling
synthesis", Computer Music Journal 1990), whose strengths follow envelopes over the frequencies. As
in Engel et al., "DDSP: differentiable digital signal processing", ICLR 2020, the network makes the
pitch and the envelopes of frames, and a fixed bank of sources makes the samples. Transposed
convolutions made noise where speech has harmonics.
"""

import math
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from mirage.training.media.sound import Sound
from mirage.training.networks.base import gained
from mirage.training.networks.layers import activate, scaled
from mirage.training.networks.sequence import SequenceArchitecture, Trunk

FRAME = 64
"""Samples between two envelopes: 8 ms at 8 kHz, the hop of the discriminator's spectrogram."""
BANDS = 32
"""Of an envelope; band b is centred at b / BANDS of half the sample rate."""
KNOT = 32
"""Frames between two values of the pitch. With 8 frames the pitch wobbled."""
SPREAD = 1.7
"""Factor of the first latent; the sigmoid of the product is nearly uniform."""
GLIDE = 0.7
"""Largest deviation from the pitch of the first latent, before the sigmoid. When the network chose
all of the pitch, it soon chose the lowest, whose harmonics nothing tells apart."""
LOUDEST = 2.0
START = -2.0
"""Bias of the envelopes before training. Noise that began at -4 was hardly used at 30 kimg."""
MAX_HARMONICS = 256


class HarmonicArchitecture(SequenceArchitecture):
    """As `SequenceArchitecture`, of a generator of frames with a discriminator of spectrograms.

    strides: factors of the number of frames. pitches: lowest and highest pitch in Hz.
    discriminator_widths: channels of the stages of the discriminator; each halves the number of
    windows.
    """

    family: Literal["harmonic"]  # type: ignore[assignment]
    medium: Sound
    pitches: tuple[float, float]
    discriminator_widths: tuple[int, ...] = Field(min_length=1, max_length=4)

    @property
    def frames(self) -> int:
        return -(-self.medium.length // FRAME)

    @property
    def base(self) -> int:
        """Frames of the coarsest stage."""
        return -(-self.frames // math.prod(self.strides))

    @property
    def harmonics(self) -> int:
        """Harmonics of the lowest pitch that are below half the sample rate."""
        return int(self.medium.sample_rate / 2 / self.pitches[0])

    @model_validator(mode="after")
    def _check_pitches(self) -> "HarmonicArchitecture":
        lowest, highest = self.pitches
        most = self.medium.sample_rate / 2
        if not most / MAX_HARMONICS <= lowest < highest <= most:
            raise ValueError(
                f"pitches are {lowest:g} to {highest:g} Hz; at {self.medium.sample_rate:,} samples "
                f"a second allowed are {most / MAX_HARMONICS:g} to {most:g} Hz, the lowest first"
            )
        return self


class Generator(Trunk):
    """Latents and labels -> pitch and envelopes of frames -> sounds float32 [N, 1, T] in [-1, 1].

    The first latent decides the pitch, from which the network deviates by at most `GLIDE`.
    """

    def __init__(self, a: HarmonicArchitecture) -> None:
        places = [a.base * math.prod(a.strides[:stage]) for stage in range(len(a.strides))]
        ups = [
            Refinement(coarse, fine, length, length * stride)
            for (coarse, fine), length, stride in zip(
                pairwise(a.widths), places, a.strides, strict=True
            )
        ]
        super().__init__(a, ups)
        self.length, self.frames = a.medium.length, a.frames
        self.glide = nn.Linear(a.hidden, 1 + a.frames // KNOT)
        self.envelopes = scaled(nn.Conv1d(a.widths[-1], 2 * BANDS, 3, padding=1), gain=0.5)
        self.envelopes.bias = nn.Parameter(torch.full((2 * BANDS,), START))
        self.bank = SourceBank(a)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        style, fine = self.finest(latents, labels)
        with torch.autocast(fine.device.type, enabled=False):  # phases need more than 8 bits
            first = gained(latents[:, :1], self.latent_gain)
            pitches = SPREAD * first + GLIDE * self.glide(style.float()).tanh()
            values = self.envelopes(activate(fine[:, :, : self.frames]).float())
            # the modified sigmoid of DDSP: amplitudes that can come near 0
            amplitudes = LOUDEST * values.sigmoid() ** math.log(10)
            sounds: Tensor = self.bank(pitches.sigmoid(), *amplitudes.chunk(2, dim=1))
            return sounds[:, :, : self.length].clamp(-1, 1)


class Refinement(nn.Module):
    """A convolution and a linear interpolation to more places: [N, C, L] -> [N, C', L'].

    Transposed convolutions made loudness rise and fall with the period of the coarsest stage.
    """

    between: Tensor

    def __init__(self, coarse: int, fine: int, places: int, more: int) -> None:
        super().__init__()
        self.conv = scaled(nn.Conv1d(coarse, fine, 3, padding=1))
        self.register_buffer("between", interpolation(places, more), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) @ self.between


class SourceBank(nn.Module):
    """Sine oscillators at the multiples of a pitch, and bands of noise that is always the same.

    Pitches float32 [N, knots] in [0, 1], logarithmic between the lowest and the highest, and the
    amplitudes of voiced and unvoiced sources float32 [N, BANDS, frames] -> samples float32 [N, 1,
    frames * FRAME]. All are interpolated in time, and amplitudes over frequencies.
    """

    between: Tensor
    before: Tensor
    multiples: Tensor
    offsets: Tensor
    ramp: Tensor
    noise: Tensor

    def __init__(self, a: HarmonicArchitecture) -> None:
        super().__init__()
        self.rate, (self.lowest, self.highest) = a.medium.sample_rate, a.pitches
        multiples = torch.arange(1.0, a.harmonics + 1)
        fixed = {
            "between": interpolation(1 + a.frames // KNOT, a.frames + 1),
            "before": torch.ones(a.frames, a.frames).triu(1),
            "multiples": multiples,
            "offsets": multiples.square() / (2 * a.harmonics),
            "ramp": torch.arange(FRAME) / FRAME,
            "noise": noise_bands(a.frames * FRAME).unflatten(1, (a.frames, FRAME)).movedim(0, 1),
        }
        for name, value in fixed.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, pitches: Tensor, voiced: Tensor, unvoiced: Tensor) -> Tensor:
        hertz = self.lowest * (self.highest / self.lowest) ** (pitches @ self.between)
        steps = hertz / self.rate  # cycles a sample, at the ends of the frames: [N, frames + 1]
        shares = band_weights(steps[:, :-1, None] * self.multiples)  # [N, frames, harmonics, BANDS]
        harmonics = (shares @ voiced.transpose(1, 2).unsqueeze(3)).squeeze(3)
        first, last = self._edges(harmonics, self._sines(steps))
        quiet, louder = self._edges(unvoiced.transpose(1, 2), self.noise)
        begin, end = first + quiet, last + louder
        return (begin + (end - begin) * self.ramp).flatten(1).unsqueeze(1)

    def _sines(self, steps: Tensor) -> Tensor:
        """Sines float32 [N, frames, harmonics, FRAME].

        Phases are offset after Schroeder ("Synthesis of low-peak-factor signals", 1970), which
        keeps the sum of many harmonics from high peaks.
        """
        phases = self._phases(steps[:, :-1], steps[:, 1:]).unsqueeze(2)
        cycles = self.multiples[:, None] * phases + self.offsets[:, None]
        return torch.sin(2 * math.pi * cycles)

    def _phases(self, first: Tensor, last: Tensor) -> Tensor:
        """Cycles float32 [N, frames, FRAME]: the integral of a pitch linear within each frame."""
        cycles = (first + last) * (FRAME / 2)
        cycles = cycles - cycles.floor()  # large sums would lose their fractions
        begun = cycles @ self.before
        begun = begun - begun.floor()
        samples = self.ramp * FRAME
        first, last = first.unsqueeze(2), last.unsqueeze(2)
        glide = (last - first) / (2 * FRAME)
        return begun.unsqueeze(2) + first * samples + glide * samples.square()

    def _edges(self, amplitudes: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of sources with the amplitudes at the beginning and at the end of each frame.

        amplitudes: [N, frames, sources]. sources: [..., frames, sources, FRAME]. Returns two
        [N, frames, FRAME].
        """
        ends = torch.cat([amplitudes[:, 1:], amplitudes[:, -1:]], dim=1)
        first, last = (torch.stack([amplitudes, ends], dim=2) @ sources).unbind(2)
        return first, last


def interpolation(knots: int, points: int) -> Tensor:
    """Weights float32 [knots, points] of linear interpolation from the first knot to the last."""
    places = torch.linspace(0, knots - 1, points)
    return (1 - (torch.arange(knots)[:, None] - places).abs()).clamp(min=0)


def band_weights(frequencies: Tensor) -> Tensor:
    """Weights float32 [..., BANDS] of the bands at frequencies [...] in cycles a sample.

    They fall linearly from a band's centre to those of its neighbours, and to 0 at 0.5.
    """
    places = frequencies.unsqueeze(-1) * (2 * BANDS)
    bands = torch.arange(BANDS, device=frequencies.device)
    return (1 - (places - bands).abs()).clamp(min=0)


def noise_bands(length: int) -> Tensor:
    """White noise divided into bands of power 1: float32 [BANDS, length]."""
    noise = torch.randn(length, generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(noise)
    shares = band_weights(torch.fft.rfftfreq(length))
    waves = torch.fft.irfft(spectrum[:, None] * shares, n=length, dim=0)
    return (waves / waves.square().mean(dim=0).sqrt()).T.contiguous()
