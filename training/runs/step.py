"""One training step: the networks move in the order of the task, then the averages follow."""

from typing import Any

import torch
from torch import Tensor, nn

from mirage.training.config import TrainConfig
from mirage.training.errors import CollapseError
from mirage.training.optim.distributed import average, average_gradients
from mirage.training.runs.state import TrainState
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.task import Move, Statistics


class Step:
    """Trains the networks on one batch; schedules are functions of the images seen."""

    def __init__(self, config: TrainConfig, state: TrainState) -> None:
        self.config = config
        self.state = state
        self.rules = TASKS[config.task].rules(config, state)

    def __call__(self, nimg: int, *batches: Any) -> dict[str, float]:
        """Run one step; the task defines the moves and their batches.

        Returns the statistics: losses, mean R1 and R2, mean margin of the logits, and gradient
        norms. Raises CollapseError if a gradient is not finite; that network is then unchanged.
        """
        state = self.state
        state.set_schedules(nimg)
        statistics: Statistics = {}
        images = 0
        for move in self.rules.moves(nimg, *batches):
            statistics |= self._move(move)
            images = move.size
        state.update_averages(nimg)
        if "certainty" in statistics:
            certain = average(statistics["certainty"], images).item()
            state.augment_probability.follow(certain, self.config.batch_size)
        return {name: value.item() for name, value in statistics.items()}

    def _move(self, move: Move) -> Statistics:
        """Update one network with the mean gradient of its batch, in parts that fit into memory."""
        network, optimizer = self.state.of(move.kind)
        self.state.discriminator.requires_grad_(move.kind == "d")
        optimizer.zero_grad(set_to_none=True)
        totals: Statistics = {}
        size = self.config.micro_batch_size or move.size
        for start in range(0, move.size, size):
            stop = min(start + size, move.size)
            share = (stop - start) / move.size
            loss, measured = move.objective(slice(start, stop))
            (share * loss).backward()
            for name, value in measured.items():
                totals[name] = totals.get(name, 0) + share * value
        average_gradients(network, move.size)
        totals[f"{move.kind}_gradient"] = _checked_norm(network, move.kind)
        optimizer.step()
        return totals


def _checked_norm(network: nn.Module, kind: str) -> Tensor:
    """The norm of all gradients; raises CollapseError if it is not finite."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if not torch.isfinite(norm):
        network_name = {"d": "discriminator"}.get(kind, "generator")
        raise CollapseError(f"the gradient of the {network_name} is {norm.item()}")
    return norm
