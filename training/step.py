"""One step of the game: the discriminator moves, then the generator, then the average follows."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.config import TrainConfig
from training.ema import ema_beta, update_ema
from training.losses import LOSSES, gradient_penalty
from training.networks import FAMILIES, Architecture, channels_last
from training.optimizers import build_optimizer, set_schedule


@dataclass(frozen=True)
class Batch:
    """What one network's move sees.

    images: float32 [N, C, H, W] in [-1, 1]. latents: float32 [N, latent_dim]. labels: int64 [N] of
    both, or None.
    """

    images: Tensor
    latents: Tensor
    labels: Tensor | None


class Players:
    """The two networks, the generator's average and the optimizers: the whole state of a run."""

    def __init__(self, config: TrainConfig, architecture: Architecture) -> None:
        family = FAMILIES[architecture.family]
        self.num_classes = architecture.num_classes
        torch.manual_seed(config.seed)
        trained = architecture.model_copy(update={"latent_gain": 1.0})  # the gain is the average's
        self.generator = channels_last(family.generator(trained))
        self.discriminator = channels_last(family.discriminator(architecture))
        self.ema = channels_last(family.generator(architecture)).requires_grad_(False)
        update_ema(self.ema, self.generator, beta=0.0)
        self.generator_optimizer = build_optimizer(
            config.generator_optimizer, self.generator.parameters(), config.beta1
        )
        self.discriminator_optimizer = build_optimizer(
            config.discriminator_optimizer, self.discriminator.parameters(), config.beta1
        )

    def state(self) -> dict[str, dict]:
        """Everything needed to go on, as nested dicts of tensors."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, dict]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {name: part for name, part in vars(self).items() if name != "num_classes"}


def draw_wrong_labels(labels: Tensor, num_classes: int) -> Tensor:
    """For each label int64 [N] another class, all others equally likely.

    Real images under them are one more kind of fake (Reed et al. 2016, GAN-CLS).
    """
    shift = torch.randint(1, num_classes, labels.shape, device=labels.device)
    return (labels + shift) % num_classes


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

        Answers the step's statistics: losses, mean R1 and R2, mean logit margin of the pairs.
        """
        config, players = self.config, self.players
        lr, beta2 = config.lr.at(nimg), config.beta2.at(nimg)
        set_schedule(players.discriminator_optimizer, lr, beta2)
        set_schedule(players.generator_optimizer, lr, beta2)
        statistics = self._move_discriminator(
            for_discriminator, config.gamma.at(nimg), config.mismatch.at(nimg)
        )
        statistics |= self._move_generator(for_generator)
        half_life = config.ema_half_life_kimg.at(nimg)
        update_ema(players.ema, players.generator, ema_beta(half_life, config.batch_size))
        return {name: value.item() for name, value in statistics.items()}

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.autocast)

    def _move_discriminator(self, batch: Batch, gamma: float, mismatch: float) -> dict[str, Tensor]:
        discriminator, optimizer = self.players.discriminator, self.players.discriminator_optimizer
        discriminator.requires_grad_(True)
        with self._precision():
            with torch.no_grad():
                fakes = self.players.generator(batch.latents, batch.labels)
            images = torch.cat([batch.images, fakes]).requires_grad_(gamma > 0)
            labels = None if batch.labels is None else torch.cat([batch.labels, batch.labels])
            features = discriminator.features(images)
            logits = discriminator.judge(features, labels)
        real, fake = logits.chunk(2)
        adversarial = self.loss.discriminator(real, fake)
        statistics = {"d_loss": adversarial.detach(), "margin": (real - fake).mean().detach()}
        objective = adversarial
        if gamma > 0:
            r1, r2 = (part.mean() for part in gradient_penalty(images, logits).chunk(2))
            objective = objective + gamma / 2 * (r1 + r2)
            statistics |= {"r1": r1.detach(), "r2": r2.detach()}
        if mismatch > 0 and batch.labels is not None:
            with self._precision():
                wrong = draw_wrong_labels(batch.labels, self.players.num_classes)
                mismatched = discriminator.judge(features.chunk(2)[0], wrong)
            objective = objective + mismatch * self.loss.discriminator(real, mismatched)
        optimizer.zero_grad(set_to_none=True)
        objective.backward()
        optimizer.step()
        return statistics

    def _move_generator(self, batch: Batch) -> dict[str, Tensor]:
        discriminator, optimizer = self.players.discriminator, self.players.generator_optimizer
        discriminator.requires_grad_(False)
        with self._precision():
            fake = discriminator(self.players.generator(batch.latents, batch.labels), batch.labels)
            real = fake.detach()
            if self.loss.paired:
                real = discriminator(batch.images, batch.labels)
        loss = self.loss.generator(real, fake)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"g_loss": loss.detach()}
