"""The interface of all media."""

from typing import Any, Protocol

import numpy as np
from torch import Tensor

from mirage.bundle.format.interface import OutputMeaning


class Medium(Protocol):
    """What the samples of a data set and of a generator are, and how networks represent them.

    Data sets, golden files and served arrays hold stored samples [N, …], as the manifest describes
    them; networks see values float32 [N, C, …].
    """

    @property
    def meaning(self) -> OutputMeaning:
        """The meaning of the generator's output, and its name in the graph."""

    @property
    def noun(self) -> str:
        """What several samples are called."""

    @property
    def columns(self) -> int:
        """Samples per row of a sample grid."""

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of a drawn sample in pixels."""

    @property
    def shown_side(self) -> int:
        """Pixels of the longer side above which samples of a bundle are shown smaller."""

    @property
    def form(self) -> str:
        """The form of one sample in a few words."""

    def to_values(self, stored: np.ndarray) -> Tensor:
        """Convert stored samples to the networks' representation."""

    def to_stored(self, values: Tensor) -> Tensor:
        """Convert networks' outputs to stored samples; part of the exported graph."""

    def pictures(self, stored: np.ndarray) -> np.ndarray:
        """Draw each sample for people: uint8 [N, H, W, C], all of one size."""

    def examples(self, stored: np.ndarray) -> list[str]:
        """Samples as lines of text, if that tells more than their pictures."""

    def tensors(self, latent_dim: int, num_classes: int) -> dict[str, Any]:
        """The fields of the manifest on inputs and outputs: tensors, `sound` and `sequence`."""

    def as_options(self) -> dict[str, Any]:
        """The data options with which other data become samples of the same form."""

    @property
    def shape_text(self) -> str:
        """The form of one sample, for reports."""

    def summary(self) -> dict[str, str]:
        """What a report says of the form of a sample, by what it is about."""

    def facts(self) -> dict[str, Any]:
        """What a run records of the data beside the shape of a sample, as JSON values."""
