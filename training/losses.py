"""Adversarial losses by name and the gradient penalty; pure functions that log nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LogitsLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A pair of functions of (real logits [N], fake logits [N]) -> scalar.

    paired: the generator's loss needs the logits of real images too.
    """

    discriminator: LogitsLoss
    generator: LogitsLoss
    paired: bool


def _relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(D(G(z)) - D(x)), each fake against its pair (Jolicoeur-Martineau 2019)."""
    return F.softplus(fake - real).mean()


def _relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def _cross_entropy_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy with targets 1 for real and 0 for fake (Goodfellow et al. 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _non_saturating_generator(_: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of the fakes with target 1 (the same paper, section 3)."""
    return F.softplus(-fake).mean()


LOSSES = {
    "relativistic": Loss(_relativistic_discriminator, _relativistic_generator, paired=True),
    "non-saturating": Loss(_cross_entropy_discriminator, _non_saturating_generator, paired=False),
}


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared norm of each image's gradient of its own logit: R1 on reals, R2 on fakes.

    images [N, C, H, W] with requires_grad, logits [N] that depend on them sample by sample ->
    float32 [N], differentiable once more (Mescheder et al. 2018).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(1)
