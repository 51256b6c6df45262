"""What the arrays that a model makes are: one object for each meaning of an output."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.manifest import Description

COLOURS = {1: "grey", 3: "RGB", 4: "RGBA"}


class Output(Protocol):
    """How arrays of one meaning are described, and compared with golden ones."""

    @property
    def unit(self) -> str:
        """What differences, and a manifest's `golden_tolerance`, are measured in."""

    @property
    def counted(self) -> str:
        """What limits count, in millions."""

    @property
    def tolerance(self) -> float:
        """The largest difference that rounding in float32 makes."""

    def form(self, description: Description) -> str:
        """The form of one item in a few words, for tables."""

    def largest(self, description: Description) -> int:
        """The largest value that an array may hold."""

    def differences(self, made: np.ndarray, golden: np.ndarray) -> np.ndarray:
        """The difference of each value from the golden one, ≥ 0, in `unit`, flat."""

    def allowed(self, tolerance: float, reduced: bool) -> tuple[float, float]:
        """The largest differences allowed, and the largest mean.

        tolerance: the manifest's, which can only tighten those of float32. reduced: whether the
        engine computes in a lower precision.
        """


@dataclass(frozen=True)
class Images:
    """Images: grey levels of 0 to 255."""

    unit: str = "grey levels"
    counted: str = "megapixels"
    tolerance: float = 1.0
    # Differences of one and two grey levels are invisible if they are few.
    reduced: tuple[float, float] = (2.0, 0.25)

    def form(self, description: Description) -> str:
        """`28x28 grey`."""
        image = description.image
        return f"{image.width}x{image.height} {COLOURS[image.channels]}"

    def largest(self, description: Description) -> int:
        """White."""
        return 255

    def differences(self, made: np.ndarray, golden: np.ndarray) -> np.ndarray:
        """Absolute differences in grey levels, int16."""
        return _absolute(made, golden, np.int16)

    def allowed(self, tolerance: float, reduced: bool) -> tuple[float, float]:
        """In float32 one limit for all values."""
        return self.reduced if reduced else (min(tolerance, self.tolerance),) * 2


@dataclass(frozen=True)
class Audio:
    """Sounds: samples of 16 bits."""

    unit: str = "steps of 16 bits"
    counted: str = "million samples"
    # 60 dB below the loudest sample. Between engines trained sounds differ by 5 steps, untrained
    # oscillators, whose phases add up the rounding of the pitch, by 25; a wrong graph by thousands.
    tolerance: float = 32.0
    reduced: tuple[float, float] = (512.0, 64.0)  # 36 and 54 dB below

    def form(self, description: Description) -> str:
        """`1.02 s at 8000 Hz`."""
        assert description.sound is not None
        rate = description.sound.sample_rate
        return f"{(description.outputs[0].sizes[1] or 0) / rate:.3g} s at {rate} Hz"

    def largest(self, description: Description) -> int:
        """Of 16 bits."""
        return 32767

    def differences(self, made: np.ndarray, golden: np.ndarray) -> np.ndarray:
        """Absolute differences of samples, int32."""
        return _absolute(made, golden, np.int32)

    def allowed(self, tolerance: float, reduced: bool) -> tuple[float, float]:
        """In float32 one limit for all samples."""
        return self.reduced if reduced else (min(tolerance, self.tolerance),) * 2


@dataclass(frozen=True)
class Tokens:
    """Sequences: tokens either agree or differ, so what counts is the share that differs."""

    unit: str = "% of tokens"
    counted: str = "million tokens"
    # Rounding changes a token only where two symbols are equally likely.
    tolerance: float = 1.0
    reduced: float = 5.0

    def form(self, description: Description) -> str:
        """`96 of ACGT`."""
        assert description.sequence is not None
        alphabet = description.sequence.alphabet
        symbols = alphabet if len(alphabet) <= 8 else f"{len(alphabet)} symbols"
        return f"{description.outputs[0].sizes[1]} of {symbols}"

    def largest(self, description: Description) -> int:
        """The last symbol of the alphabet."""
        assert description.sequence is not None
        return len(description.sequence.alphabet) - 1

    def differences(self, made: np.ndarray, golden: np.ndarray) -> np.ndarray:
        """100 for each token that differs and 0 for others, uint8; their mean is a percentage."""
        return np.where(made != golden, np.uint8(100), np.uint8(0)).ravel()

    def allowed(self, tolerance: float, reduced: bool) -> tuple[float, float]:
        """Any token may differ; the mean is limited."""
        return 100.0, self.reduced if reduced else min(tolerance, self.tolerance)


IMAGES = Images()
OUTPUTS: dict[OutputMeaning, Output] = {"images": IMAGES, "audio": Audio(), "tokens": Tokens()}


def output_of(description: Description) -> Output:
    """What a model makes."""
    return OUTPUTS[description.made]


def _absolute(made: np.ndarray, golden: np.ndarray, wide: type) -> np.ndarray:
    difference: np.ndarray = np.abs(made.astype(wide) - golden)
    return difference.ravel()
