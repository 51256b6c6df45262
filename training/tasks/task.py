"""The interface of tasks, which the training loop uses and knows nothing else of."""

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
    """One network's update: of the discriminator `d`, the generator `g`, or its warm start `w`.

    objective: the mean loss over a part of the batch of `size`, with its statistics.
    """

    kind: Literal["d", "g", "w"]
    size: int
    objective: Objective


class Batch(Protocol):
    """The input of one step's moves."""

    def to(self, device: torch.device) -> "Batch": ...


class Data(Protocol):
    """The data of a run."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def sheet(self) -> dict[str, Any]: ...


class Batches(Protocol):
    """Draws batches as pure functions of the seed and of the images seen."""

    def draw(self, nimg: int, part: slice) -> tuple[Any, ...]:
        """Draw the batches of the step after `nimg` images on the CPU: this process's part."""


class Rules(Protocol):
    """The training procedure: which networks move in a step, with which objective."""

    def moves(self, nimg: int, *batches: Any) -> Iterator[Move]:
        """Yield the moves of the step after `nimg` images; each sees the previous one applied."""

    def schedule(self, nimg: int) -> dict[str, float]:
        """Current values of all schedules, for the statistics."""


class Samples(Protocol):
    """The sample grid, with fixed inputs. columns: images per row."""

    columns: int

    def draw(self, network: nn.Module) -> np.ndarray:
        """Compute the images of the grid, uint8 [N, H, W, C]."""

    def measure(self, images: np.ndarray) -> dict[str, float]:
        """Statistics of such images."""


@dataclass(frozen=True)
class Task:
    """Builds the parts of a run from its configuration."""

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
    """The autocast context for the precision of the run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device; copies to a GPU are asynchronous."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
