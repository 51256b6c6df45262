"""Adversarial losses by name, and gradient penalties."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LogitsLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """Loss functions of (real logits [N], fake logits [N]) -> scalar.

    paired: the generator's loss uses the logits of real images. slope: weight of `slope_penalty`,
    which the Wasserstein loss requires; otherwise 0.
    """

    discriminator: LogitsLoss
    generator: LogitsLoss
    paired: bool = False
    slope: float = 0.0


def _relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(D(G(z)) - D(x)) over pairs of real and fake (Jolicoeur-Martineau 2019)."""
    return F.softplus(fake - real).mean()


def _relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def _cross_entropy_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy with targets 1 for real and 0 for fake (Goodfellow et al. 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _non_saturating_generator(_: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of the fakes with target 1 (the same paper, section 3)."""
    return F.softplus(-fake).mean()


def _saturating_generator(_: Tensor, fake: Tensor) -> Tensor:
    """E log(1 - sigmoid(D(G(z)))): the original minimax loss (the same paper, eq. 1)."""
    return -F.softplus(fake).mean()


def _hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Margins of 1 on both sides (Lim & Ye 2017; Miyato et al. 2018)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _critic_generator(_: Tensor, fake: Tensor) -> Tensor:
    return -fake.mean()


def _least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance to 1 for real and 0 for fake (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def _least_squares_generator(_: Tensor, fake: Tensor) -> Tensor:
    return (fake - 1).square().mean() / 2


def _wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) - E D(x): the dual form of the earth mover's distance (Arjovsky et al. 2017)."""
    return fake.mean() - real.mean()


LOSSES = {
    "relativistic": Loss(_relativistic_discriminator, _relativistic_generator, paired=True),
    "non-saturating": Loss(_cross_entropy_discriminator, _non_saturating_generator),
    "saturating": Loss(_cross_entropy_discriminator, _saturating_generator),
    "hinge": Loss(_hinge_discriminator, _critic_generator),
    "least-squares": Loss(_least_squares_discriminator, _least_squares_generator),
    "wasserstein": Loss(_wasserstein_discriminator, _critic_generator, slope=10.0),
}


def losses_of(task: str) -> list[str]:
    """The names of the losses for a task; judges of maps of logits have no `slope_penalty`."""
    return [name for name, loss in LOSSES.items() if task == "generate" or not loss.slope]


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared gradient norm of each image's logit: R1 for real images, R2 for fakes.

    images: [N, C, H, W] with requires_grad. logits: [N], each a function of its own image only.
    Returns float32 [N], differentiable once more (Mescheder et al. 2018).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(1)


def slope_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared deviation from 1 of the gradient norm of each image's logit: float32 [N].

    For interpolations of real and fake images; differentiable once more (Gulrajani et al. 2017).
    """
    lengths = gradient_penalty(images, logits).clamp(min=1e-12).sqrt()
    return (lengths - 1).square()
