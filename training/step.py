"""One step of the game: the discriminator moves, then the generator, then the averages follow."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from mirage.training.config import TrainConfig
from mirage.training.distributed import average, average_gradients
from mirage.training.draws import (
    Draws,
    draw_augment,
    draw_for_all,
    draw_noise,
    draw_wrong_labels,
)
from mirage.training.errors import CollapseError
from mirage.training.losses import LOSSES, gradient_penalty, slope_penalty
from mirage.training.networks import Discriminator, Generator
from mirage.training.players import Players
from mirage.training.strength import certainty

Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """What one network's move sees.

    images: float32 [N, C, H, W] in [-1, 1]. latents: float32 [N, latent_dim]. labels: int64 [N] of
    both, or None.
    """

    images: Tensor
    latents: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> "Batch":
        labels = None if self.labels is None else self.labels[part]
        return Batch(self.images[part], self.latents[part], labels)


@dataclass(frozen=True)
class Weights:
    """What changes over time, as it is in one step."""

    gamma: float
    mismatch: float
    noise: float
    augment: float


Objective = Callable[[Batch, Draws, Weights], tuple[Tensor, Statistics]]


class Step:
    """Moves the players by one batch; what changes over time is read off the images seen."""

    def __init__(self, config: TrainConfig, players: Players) -> None:
        self.config = config
        self.players = players
        self.loss = LOSSES[config.loss]
        self.autocast = config.precision == "bfloat16"

    def __call__(
        self, nimg: int, for_discriminator: Batch, for_generator: Batch
    ) -> dict[str, float]:
        """Play one round; each network moves on its own batch.

        Answers the step's statistics: losses, mean R1 and R2, mean logit margin of the pairs, norms
        of the gradients. Raises CollapseError, with nothing moved by it, when a gradient is no
        number.
        """
        players, now = self.players, self._weights(nimg)
        players.set_schedules(nimg)
        statistics = self._move_discriminator(for_discriminator, now)
        statistics |= self._move_generator(for_generator, now)
        players.update_averages(nimg)
        if players.strength.adapts:
            certain = average(statistics["certainty"]).item()
            players.strength.follow(certain, self.config.batch_size)
        return {name: value.item() for name, value in statistics.items()}

    def _weights(self, nimg: int) -> Weights:
        config = self.config
        return Weights(
            gamma=config.gamma.at(nimg),
            mismatch=config.mismatch.at(nimg),
            noise=config.noise.at(nimg),
            augment=self.players.strength.at(nimg),
        )

    def _precision(self) -> torch.autocast:
        device = self.players.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.autocast)

    def _move_discriminator(self, batch: Batch, now: Weights) -> Statistics:
        players = self.players
        players.discriminator.requires_grad_(True)
        wrong = between = None
        if now.mismatch > 0 and batch.labels is not None:
            wrong = draw_wrong_labels(batch.labels, players.num_classes)
        if self.loss.slope:
            between = draw_for_all(torch.rand, len(batch))
        draws = self._draws(batch, now, wrong, between)
        network, optimizer = players.discriminator, players.discriminator_optimizer
        objective = self._discriminator_objective
        return self._move("d", network, optimizer, objective, batch, draws, now)

    def _move_generator(self, batch: Batch, now: Weights) -> Statistics:
        players = self.players
        players.discriminator.requires_grad_(False)
        network, optimizer = players.generator, players.generator_optimizer
        draws = self._draws(batch, now)
        objective = self._generator_objective
        return self._move("g", network, optimizer, objective, batch, draws, now)

    def _draws(
        self,
        batch: Batch,
        now: Weights,
        wrong: Tensor | None = None,
        between: Tensor | None = None,
    ) -> Draws:
        numbers = draw_augment(self.config, len(batch))
        noise = draw_noise(batch.images, now.noise)
        return Draws(numbers, noise, wrong, between).to(self.players.device)

    def _move(
        self,
        kind: str,
        network: Generator | Discriminator,
        optimizer: Optimizer,
        objective: Objective,
        batch: Batch,
        draws: Draws,
        now: Weights,
    ) -> Statistics:
        """Move one network on the mean gradient of its batch, taken in parts that fit memory."""
        optimizer.zero_grad(set_to_none=True)
        totals: Statistics = {}
        size = self.config.micro_batch_size or len(batch)
        for start in range(0, len(batch), size):
            part = slice(start, start + size)
            share = len(batch[part]) / len(batch)
            loss, measured = objective(batch[part], draws[part], now)
            (share * loss).backward()
            for name, value in measured.items():
                totals[name] = totals.get(name, 0) + share * value
        average_gradients(network)
        totals[f"{kind}_gradient"] = _checked_norm(network, kind)
        optimizer.step()
        return totals

    def _see(self, images: Tensor, draws: Draws, now: Weights) -> Tensor:
        return draws.see(images, self.config, now.augment, now.noise)

    def _discriminator_objective(
        self, batch: Batch, draws: Draws, now: Weights
    ) -> tuple[Tensor, Statistics]:
        """One pass over both members of the pairs, and one gradient for both penalties.

        The penalties are taken with respect to the images before augmentation, as R3GAN does.
        """
        discriminator = self.players.discriminator
        with self._precision():
            with torch.no_grad():
                fakes = self.players.generator(batch.latents, batch.labels)
            images = torch.cat([batch.images, fakes]).requires_grad_(now.gamma > 0)
            labels = None if batch.labels is None else torch.cat([batch.labels, batch.labels])
            features = discriminator.features(self._see(images, draws, now))
            logits = discriminator.judge(features, labels)
        real, fake = logits.chunk(2)
        objective = self.loss.discriminator(real, fake)
        statistics = {"d_loss": objective.detach(), "margin": (real - fake).mean().detach()}
        if self.players.strength.adapts:
            statistics["certainty"] = certainty(real, fake, self.loss.paired).detach()
        if now.gamma > 0:
            r1, r2 = (part.mean() for part in gradient_penalty(images, logits).chunk(2))
            objective = objective + now.gamma / 2 * (r1 + r2)
            statistics |= {"r1": r1.detach(), "r2": r2.detach()}
        if draws.wrong is not None:
            # real images under other classes' labels are one more kind of fake (Reed et al. 2016)
            with self._precision():
                mismatched = discriminator.judge(features.chunk(2)[0], draws.wrong)
            objective = objective + now.mismatch * self.loss.discriminator(real, mismatched)
        if draws.between is not None:
            between = torch.lerp(batch.images, fakes, draws.between[:, None, None, None])
            slope = self._slope(between, batch.labels, draws, now)
            objective = objective + self.loss.slope * slope
            statistics["slope"] = slope.detach()
        return objective, statistics

    def _slope(self, images: Tensor, labels: Tensor | None, draws: Draws, now: Weights) -> Tensor:
        """The mean slope penalty at these images, between the members of the pairs."""
        images.requires_grad_()
        with self._precision():
            logits = self.players.discriminator(self._see(images, draws, now), labels)
        return slope_penalty(images, logits).mean()

    def _generator_objective(
        self, batch: Batch, draws: Draws, now: Weights
    ) -> tuple[Tensor, Statistics]:
        discriminator = self.players.discriminator
        with self._precision():
            images = self.players.generator(batch.latents, batch.labels)
            fake = discriminator(self._see(images, draws, now), batch.labels)
            real = fake.detach()
            if self.loss.paired:
                real = discriminator(self._see(batch.images, draws, now), batch.labels)
        loss = self.loss.generator(real, fake)
        return loss, {"g_loss": loss.detach()}


def _checked_norm(network: Generator | Discriminator, kind: str) -> Tensor:
    """The norm of all gradients together; raises CollapseError when it is no number."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if not torch.isfinite(norm):
        player = {"d": "discriminator", "g": "generator"}[kind]
        raise CollapseError(f"the gradient of the {player} is {norm.item()}")
    return norm
