"""What a run asks its task for; everything else about training is the same for all tasks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mirage.training.networks.families import AnyArchitecture

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.runs.state import TrainState

Statistics = dict[str, Tensor]
Objective = Callable[[slice], tuple[Tensor, Statistics]]


@dataclass(frozen=True)
class Move:
    """One network's step: the discriminator's `d`, the generator's `g`, or its warm start `w`.

    objective: the mean loss over this part of the batch of `size`, and what is recorded of it.
    """

    kind: Literal["d", "g", "w"]
    size: int
    objective: Objective


class Batch(Protocol):
    """What one step's moves see."""

    def to(self, device: torch.device) -> "Batch": ...


class Data(Protocol):
    """What a run trains on."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def sheet(self) -> dict[str, Any]: ...


class Batches(Protocol):
    """Batches as pure functions of the seed and of the images seen."""

    def draw(self, nimg: int, part: slice) -> tuple[Any, ...]:
        """What the moves after `nimg` images see, on the CPU: this part of each batch."""


class Rules(Protocol):
    """The game: which networks move in a step, on what objective."""

    def moves(self, nimg: int, *batches: Any) -> Iterator[Move]:
        """The moves of the step after `nimg` images, each begun when the one before is done."""

    def schedule(self, nimg: int) -> dict[str, float]:
        """What changes over time, as it is then; for the statistics."""


class Samples(Protocol):
    """The sample grid: the same inputs throughout a run. columns: images to its row."""

    columns: int

    def draw(self, network: nn.Module) -> np.ndarray:
        """The grid's images, uint8 [N, H, W, C]."""

    def measure(self, images: np.ndarray) -> dict[str, float]:
        """What is measured on such images for the statistics."""


@dataclass(frozen=True)
class Task:
    """Makes the parts of a run from its configuration; data and sheets are of the task's kind."""

    architecture: Callable[["TrainConfig", dict[str, Any]], AnyArchitecture]
    batches: Callable[["TrainConfig", Any], Batches]
    rules: Callable[["TrainConfig", "TrainState"], Rules]
    samples: Callable[["TrainConfig", Any], Samples]
    check: Callable[["TrainConfig", Any], None]
    """Raises DataError for data that are too few for such a run."""
    describe: Callable[[Any], Iterable[str]]
    """Lines for people about the data."""
    preview: Callable[["TrainConfig", Any], np.ndarray]
    """A sheet uint8 [H, W, C] of what networks would see."""


def precision(config: "TrainConfig", device: torch.device) -> torch.autocast:
    """The context in which networks compute in the precision of the run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on this device; the copy to a GPU does not hold up the caller."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
