"""Task `generate`: samples from latents, and from labels if there are classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from mirage.training.data.dataset import Dataset, check_enough
from mirage.training.data.preview import SHOWN_CLASSES, describe, sample_sheet
from mirage.training.errors import UsageError, explain
from mirage.training.media.medium import Medium
from mirage.training.media.reading import medium_of
from mirage.training.networks.base import Discriminator
from mirage.training.networks.families import FAMILIES, GeneratorArchitecture
from mirage.training.optim.augment import certainty
from mirage.training.optim.clamp import soft_clamp
from mirage.training.optim.losses import LOSSES, gradient_penalty, slope_penalty
from mirage.training.optim.reconstruction import reconstruction_loss
from mirage.training.recipe import presets_for
from mirage.training.tasks.randomness import (
    Sampler,
    StepRandomness,
    Stream,
    draw_augment,
    draw_background,
    draw_for_all,
    draw_noise,
    draw_step_latents,
    draw_wrong_labels,
)
from mirage.training.tasks.samples import Samples
from mirage.training.tasks.task import Move, Statistics, Task, moved, precision

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.runs.state import TrainState

FEW = 50
"""Classes with fewer images are reported."""


@dataclass(frozen=True)
class Batch:
    """The input of one network's move.

    images: values of real samples, of images float32 [N, C, H, W] in [-1, 1]. latents: float32
    [N, latent_dim]. labels: int64 [N] of both, or None.
    """

    images: Tensor
    latents: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> "Batch":
        labels = None if self.labels is None else self.labels[part]
        return Batch(self.images[part], self.latents[part], labels)

    def to(self, device: torch.device) -> "Batch":
        labels = None if self.labels is None else moved(self.labels, device)
        return Batch(moved(self.images, device), moved(self.latents, device), labels)


@dataclass(frozen=True)
class Weights:
    """Values of the schedules in one step."""

    gamma: float
    mismatch: float
    noise: float
    augment: float


def architecture_of(config: "TrainConfig", data: dict[str, Any]) -> GeneratorArchitecture:
    """The architecture for a configuration and data of this shape; raises UsageError."""
    medium, family = medium_of(data), FAMILIES[config.family]
    if medium.meaning not in family.meanings:
        raise UsageError(
            f"--preset is {config.preset}, whose family {config.family} does not make "
            f"{medium.noun}; allowed are {', '.join(presets_for(medium.meaning))}"
        )
    try:
        return family.architecture(config, medium, len(data["classes"]))
    except ValidationError as error:
        raise UsageError(explain(error)) from error


def shown(stored: np.ndarray, medium: Medium, stages_left: int = 0) -> Tensor:
    """Convert stored samples to the networks' representation.

    Returns values of the medium, of images at half the size for each stage still to be added.
    """
    values = medium.to_values(stored)
    return F.avg_pool2d(values, 2**stages_left) if stages_left else values


class Batches:
    """Draws separate real images, labels and latents for each network."""

    def __init__(self, config: "TrainConfig", dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self._medium = architecture_of(config, dataset.sheet()).medium
        self._sampler = Sampler(len(dataset), config.seed)

    def draw(self, nimg: int, part: slice) -> tuple[Batch, Batch]:
        size = self.config.batch_size
        chosen = self._sampler.indices(2 * nimg, 2 * size)
        return (
            self._batch(chosen[:size], Stream.DISCRIMINATOR_LATENTS, nimg, part),
            self._batch(chosen[size:], Stream.GENERATOR_LATENTS, nimg, part),
        )

    def _batch(self, indices: np.ndarray, stream: Stream, nimg: int, part: slice) -> Batch:
        shape = (len(indices), self.config.latent_dim)
        latents = draw_step_latents(self.config.seed, stream, nimg, shape)[part]
        labels, own = self.dataset.labels, indices[part]
        return Batch(
            images=shown(self.dataset.images[own], self._medium, self.config.stages_left(nimg)),
            latents=torch.from_numpy(latents),
            labels=None if labels is None else torch.from_numpy(labels[own]),
        )


class Rules:
    """GAN training: the discriminator moves, then the generator."""

    def __init__(self, config: "TrainConfig", state: "TrainState") -> None:
        self.config, self.state = config, state
        self.loss = LOSSES[config.loss]
        self._discriminator_network = cast(Discriminator, state.discriminator)

    def moves(self, nimg: int, *batches: Batch) -> Iterator[Move]:
        if nimg < self.config.warm_start_images:
            (batch,) = batches
            yield Move("w", len(batch), lambda part: self._reconstruction(batch[part]))
            return
        for_discriminator, for_generator = batches
        now = self._weights(nimg)
        yield self._discriminator_move(for_discriminator, now)
        yield self._generator_move(for_generator, now)

    def schedule(self, nimg: int) -> dict[str, float]:
        if nimg < self.config.warm_start_images:
            return {"lr": self.config.warm_start_schedule.at(nimg)}
        names = ("lr", "beta2", "gamma", "ema_half_life_kimg")
        schedule = {name: getattr(self.config, name).at(nimg) for name in names}
        if self.config.augment:
            schedule["augment_probability"] = self.state.augment_probability.at(nimg)
        return schedule

    def _weights(self, nimg: int) -> Weights:
        config = self.config
        return Weights(
            gamma=config.gamma.at(nimg),
            mismatch=config.mismatch.at(nimg),
            noise=config.noise.at(nimg),
            augment=self.state.augment_probability.at(nimg),
        )

    def _discriminator_move(self, batch: Batch, now: Weights) -> Move:
        wrong = between = None
        if now.mismatch > 0 and batch.labels is not None:
            wrong = draw_wrong_labels(batch.labels, self.state.num_classes, self.config.batch_size)
        if self.loss.slope:
            between = draw_for_all(torch.rand, self.config.batch_size)
        randomness = self._draw_randomness(batch, now, wrong, between)
        return Move(
            "d", len(batch), lambda part: self._discriminator(batch[part], randomness[part], now)
        )

    def _generator_move(self, batch: Batch, now: Weights) -> Move:
        randomness = self._draw_randomness(batch, now)
        return Move(
            "g", len(batch), lambda part: self._generator(batch[part], randomness[part], now)
        )

    def _draw_randomness(
        self,
        batch: Batch,
        now: Weights,
        wrong: Tensor | None = None,
        between: Tensor | None = None,
    ) -> StepRandomness:
        count, shape = self.config.batch_size, batch.images.shape[1:]
        numbers = draw_augment(self.config, count)
        noise = draw_noise((count, *shape), now.noise)
        background = draw_background(self.config, shape[0], count)
        drawn = StepRandomness(numbers, noise, wrong, between, background)
        return drawn.to(self.state.device)

    def _reconstruction(self, batch: Batch) -> tuple[Tensor, Statistics]:
        with precision(self.config, self.state.device):
            images = self._generate(batch)
        loss = reconstruction_loss(images, batch.images)
        return loss, {"reconstruction": loss.detach()}

    def _generate(self, batch: Batch) -> Tensor:
        images = self.state.generator(batch.latents, batch.labels)
        return soft_clamp(images, self.config.clamp_slope)

    def _see(self, values: Tensor, randomness: StepRandomness, now: Weights) -> Tensor:
        """What the discriminator sees of values in its representation."""
        return randomness.see(values, self.config, now.augment, now.noise)

    def _logits(
        self, values: Tensor, labels: Tensor | None, randomness: StepRandomness, now: Weights
    ) -> Tensor:
        """Logits of values in the discriminator's representation."""
        discriminator = self._discriminator_network
        features = discriminator.features(self._see(values, randomness, now))
        return discriminator.logits(features, labels)

    def _discriminator(
        self, batch: Batch, randomness: StepRandomness, now: Weights
    ) -> tuple[Tensor, Statistics]:
        """One forward pass over both members of the pairs, and one gradient for both penalties.

        Penalties are of the represented images before augmentation, as in R3GAN.
        """
        discriminator = self._discriminator_network
        with precision(self.config, self.state.device):
            with torch.no_grad():
                fakes = self._generate(batch)
                images = discriminator.represent(torch.cat([batch.images, fakes]))
            images.requires_grad_(now.gamma > 0)
            labels = None if batch.labels is None else torch.cat([batch.labels, batch.labels])
            features = discriminator.features(self._see(images, randomness, now))
            logits = discriminator.logits(features, labels)
        real, fake = logits.chunk(2)
        objective = self.loss.discriminator(real, fake)
        statistics = {"d_loss": objective.detach(), "margin": (real - fake).mean().detach()}
        if self.state.augment_probability.adapts:
            statistics["certainty"] = certainty(real, fake, self.loss.paired).detach()
        if now.gamma > 0:
            r1, r2 = (part.mean() for part in gradient_penalty(images, logits).chunk(2))
            objective = objective + now.gamma / 2 * (r1 + r2)
            statistics |= {"r1": r1.detach(), "r2": r2.detach()}
        if randomness.wrong is not None:
            # real images with labels of other classes are additional fakes (Reed et al. 2016)
            with precision(self.config, self.state.device):
                mismatched = discriminator.logits(features.chunk(2)[0], randomness.wrong)
            objective = objective + now.mismatch * self.loss.discriminator(real, mismatched)
        if randomness.between is not None:
            shares = randomness.between.view(-1, *[1] * (images.ndim - 1))
            real_ones, fake_ones = images.detach().chunk(2)
            between = torch.lerp(real_ones, fake_ones, shares)
            slope = self._slope(between, batch.labels, randomness, now)
            objective = objective + self.loss.slope * slope
            statistics["slope"] = slope.detach()
        return objective, statistics

    def _slope(
        self, images: Tensor, labels: Tensor | None, randomness: StepRandomness, now: Weights
    ) -> Tensor:
        """The mean slope penalty at random interpolations between the members of the pairs."""
        images.requires_grad_()
        with precision(self.config, self.state.device):
            logits = self._logits(images, labels, randomness, now)
        return slope_penalty(images, logits).mean()

    def _generator(
        self, batch: Batch, randomness: StepRandomness, now: Weights
    ) -> tuple[Tensor, Statistics]:
        discriminator = self._discriminator_network
        with precision(self.config, self.state.device):
            images = self._generate(batch)
            seen = discriminator.represent(images)
            fake = self._logits(seen, batch.labels, randomness, now)
            real = fake.detach()
            if self.loss.paired:
                seen = discriminator.represent(batch.images)
                real = self._logits(seen, batch.labels, randomness, now)
        loss = self.loss.generator(real, fake)
        return loss, {"g_loss": loss.detach()}


def _check(config: "TrainConfig", dataset: Dataset) -> None:
    check_enough(dataset, config.batch_size)
    architecture_of(config, dataset.sheet())


def _describe(data: Dataset) -> Iterator[str]:
    yield from describe(data)
    if data.labels is None:
        return
    counts = np.bincount(data.labels, minlength=len(data.classes))
    few = [(name, n) for name, n in zip(data.classes, counts.tolist(), strict=True) if n < FEW]
    for name, count in few[:SHOWN_CLASSES]:
        yield f"warning        class {name} has {count} images only"
    if len(few) > SHOWN_CLASSES:
        yield f"warning        {len(few) - SHOWN_CLASSES} more classes have fewer than {FEW} images"


def _preview(config: "TrainConfig", data: Dataset) -> np.ndarray:
    return sample_sheet(data)


TASK = Task(architecture_of, Batches, Rules, Samples, _check, _describe, _preview)
