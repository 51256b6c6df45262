"""The state of a run: the two networks, the generator's averages, and the optimizers."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mirage.training.config import TrainConfig
from mirage.training.networks.families import FAMILIES, AnyArchitecture, channels_last
from mirage.training.optim.augment import AdaptiveProbability
from mirage.training.optim.ema import copy_weights, limited_half_life, update_ema
from mirage.training.optim.optimizers import build_optimizer, set_schedule

WARM_START_BETAS = 0.5, 0.99
"""Reconstruction has a fixed target, so momentum helps; adversarial training has none."""


class TrainState:
    """Networks, averages and optimizers, initialised on the CPU from the seed of the configuration.

    Initialising on the CPU gives the same weights on every device. ema: the average that is
    published. further: averages of other half-lives, by their kimg.
    """

    def __init__(self, config: TrainConfig, architecture: AnyArchitecture) -> None:
        self.config = config
        self.num_classes = architecture.num_classes
        family = FAMILIES[architecture.family]
        torch.manual_seed(config.seed)
        self.generator = channels_last(family.generator(architecture.as_trained()))
        self.discriminator = channels_last(family.discriminator(architecture))

        def average() -> nn.Module:
            copy = channels_last(family.generator(architecture)).requires_grad_(False)
            copy_weights(copy, self.generator)
            return copy

        self.ema = average()
        self.further = {half_life: average() for half_life in config.further_half_lives_kimg}
        self.generator_optimizer = build_optimizer(
            config.generator_optimizer, self.generator.parameters(), config.beta1
        )
        self.discriminator_optimizer = build_optimizer(
            config.discriminator_optimizer, self.discriminator.parameters(), config.beta1
        )
        self.warm_start_optimizer = build_optimizer(
            "adam", self.generator.parameters(), WARM_START_BETAS[0]
        )
        self.augment_probability = AdaptiveProbability(
            config.augment_probability, config.augment_target, config.augment_speed_kimg
        )

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def to(self, device: torch.device | str) -> "TrainState":
        """Move the networks to a device; optimizer state follows with the first step."""
        for network in (self.generator, self.discriminator, self.ema, *self.further.values()):
            network.to(device)
        return self

    def of(self, kind: str) -> tuple[nn.Module, Optimizer]:
        """The network that a move trains, `d`, `g` or `w`, and its optimizer."""
        if kind == "d":
            return self.discriminator, self.discriminator_optimizer
        optimizers = {"g": self.generator_optimizer, "w": self.warm_start_optimizer}
        return self.generator, optimizers[kind]

    def set_schedules(self, nimg: int) -> None:
        """Set learning rates and beta 2 for the step after `nimg` images."""
        config = self.config
        if nimg < config.warm_start_images:
            lr = config.warm_start_schedule.at(nimg)
            set_schedule(self.warm_start_optimizer, lr, WARM_START_BETAS[1])
            return
        self.warm_start_optimizer.state.clear()  # its moments are no longer needed
        lr, beta2 = config.lr.at(nimg), config.beta2.at(nimg)
        own = config.discriminator_lr
        set_schedule(self.discriminator_optimizer, lr if own is None else own.at(nimg), beta2)
        set_schedule(self.generator_optimizer, lr, beta2)

    def update_averages(self, nimg: int) -> None:
        """Update the averages after the generator's step at `nimg` images."""
        if nimg < self.config.warm_start_images:
            for average in (self.ema, *self.further.values()):
                copy_weights(average, self.generator)
            return
        size, main = self.config.batch_size, self.config.ema_half_life_kimg.at(nimg)
        update_ema(self.ema, self.generator, main, size)
        for half_life, average in self.further.items():
            update_ema(average, self.generator, limited_half_life(half_life, nimg), size)

    def state_dict(self) -> dict[str, dict]:
        """The state for resuming, as nested dicts of tensors and numbers."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, dict]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def networks(self) -> dict[str, dict[str, Tensor]]:
        """The networks of a snapshot: the averages by name, and the discriminator."""
        return {
            "generator": self.ema.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            **{f"generator-{name:g}": part.state_dict() for name, part in self.further.items()},
        }

    def _parts(self) -> dict[str, Any]:
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **{f"ema-{name:g}": part for name, part in self.further.items()},
        }
        if self.config.warm_start_images:
            parts["warm_start_optimizer"] = self.warm_start_optimizer
        if self.augment_probability.adapts:
            parts["strength"] = self.augment_probability
        return parts
