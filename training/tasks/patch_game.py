"""The discriminator's side of adversarial training on maps of logits."""

from collections.abc import Callable

import torch
from torch import Tensor

from mirage.training.optim.losses import Loss, gradient_penalty
from mirage.training.tasks.task import Statistics


def discriminator_loss(
    game: Loss, judge: Callable[[Tensor], Tensor], real: Tensor, fakes: Tensor, gamma: float
) -> tuple[Tensor, Statistics]:
    """The loss of real pictures and fakes [N, C, H, W], and R1 and R2 of each logit's gradient.

    judge: pictures [2 * N, C, H, W], real before fakes, to maps of logits.
    """
    images = torch.cat([real, fakes]).requires_grad_(gamma > 0)
    logits = judge(images)
    of_real, of_fakes = logits.chunk(2)
    loss = game.discriminator(of_real, of_fakes)
    statistics = {"d_loss": loss.detach(), "margin": (of_real - of_fakes).mean().detach()}
    if gamma > 0:
        each = gradient_penalty(images, logits) / logits[0].numel()
        r1, r2 = (part.mean() for part in each.chunk(2))
        loss = loss + gamma / 2 * (r1 + r2)
        statistics |= {"r1": r1.detach(), "r2": r2.detach()}
    return loss, statistics
