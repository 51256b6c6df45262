"""Growing networks: adding a finer stage during training.

After Karras et al., "Progressive Growing of GANs", ICLR 2018, with the images of all stages
summed as in Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020,
section 4.2: the new stage initially adds zero, so no fade-in is needed.
"""

from typing import cast

import torch
from torch import nn
from torch.optim import Optimizer

from mirage.training.networks import strided
from mirage.training.runs.state import TrainState


def take_over(after: TrainState, before: TrainState) -> None:
    """Copy a training state into a new state whose networks have one more stage.

    Copies weights, averages, optimizer moments and the augmentation probability. Afterwards, the
    generator outputs its previous images, enlarged, and the discriminator's logits are those of the
    same images at half the size.
    """
    pairs = [(after.generator, before.generator), (after.discriminator, before.discriminator)]
    pairs += [(after.ema, before.ema)]
    pairs += [(after.further[name], before.further[name]) for name in before.further]
    for new, old in pairs:
        _take_weights(new, old)
    for kind in ("d", "g", "w"):
        (new, new_optimizer), (old, old_optimizer) = after.of(kind), before.of(kind)
        _take_moments(new, new_optimizer, old, old_optimizer)
    after.augment_probability.load_state_dict(before.augment_probability.state_dict())


@torch.no_grad()
def _take_weights(new: nn.Module, old: nn.Module) -> None:
    own = new.state_dict()
    for name, value in old.state_dict().items():
        own[_grown(old, name)].copy_(value)


def _take_moments(
    new: nn.Module, new_optimizer: Optimizer, old: nn.Module, old_optimizer: Optimizer
) -> None:
    own = dict(new.named_parameters())
    for name, parameter in old.named_parameters():
        if parameter in old_optimizer.state:
            new_optimizer.state[own[_grown(old, name)]] = old_optimizer.state[parameter]


def _grown(old: nn.Module, name: str) -> str:
    return cast(strided.Generator | strided.Discriminator, old).name_when_grown(name)
