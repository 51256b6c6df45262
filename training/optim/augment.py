"""Differentiable augmentation of the discriminator's input, for real and fake images alike.

The probability of augmentation follows a schedule, or adapts to overfitting of the discriminator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mirage.training.optim.schedule import CosineSchedule

SHIFT = 1 / 8  # of a side, at most, in either direction
HOLE = 1 / 2  # of both sides
ZOOM = 1.25  # at most, and its inverse at least


@dataclass(frozen=True)
class Augmentation:
    """apply: images [N, C, H, W], random numbers in [0, 1) of shape [N, randoms] -> images."""

    randoms: int
    apply: Callable[[Tensor, Tensor], Tensor]


def _flip(images: Tensor, random: Tensor) -> Tensor:
    """Mirror images left to right with probability 1/2."""
    return torch.where(random[:, :1, None, None] < 0.5, images.flip(3), images)


def _translate(images: Tensor, random: Tensor) -> Tensor:
    """Shift by whole pixels, at most an eighth of the side; border pixels are repeated."""
    count, _, height, width = images.shape
    rows = _shifted(random[:, 0], height)
    columns = _shifted(random[:, 1], width)
    each = torch.arange(count, device=images.device)[:, None, None]
    return images[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _shifted(random: Tensor, side: int) -> Tensor:
    """The source of each pixel of a side: int64 [N, side]."""
    most = math.ceil(SHIFT * side)
    shift = (random * (2 * most + 1)).long() - most
    places = torch.arange(side, device=random.device) + shift[:, None]
    return places.clamp(0, side - 1)


def _zoom(images: Tensor, random: Tensor) -> Tensor:
    """Scale about the centre by 0.8 ... 1.25, bilinearly; border pixels are repeated."""
    factor = ZOOM ** (2 * random[:, 0] - 1)
    rows, columns = (_resampling(factor, side).to(images.dtype) for side in images.shape[2:])
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def _resampling(factor: Tensor, side: int) -> Tensor:
    """Weights of the pixels of a side in each pixel of the scaled side: float32 [N, side, side]."""
    places = torch.arange(side, dtype=torch.float32, device=factor.device)
    centre = (side - 1) / 2
    source = ((places - centre) / factor[:, None] + centre).clamp(0, side - 1)
    return (1 - (source[:, :, None] - places).abs()).clamp(min=0)


def _cutout(images: Tensor, random: Tensor) -> Tensor:
    """Cover a random rectangle of half the sides with mean grey, 0."""
    return images.masked_fill(_hole(images, random), 0.0)


def _cutout_white(images: Tensor, random: Tensor) -> Tensor:
    """Like `cutout`, but fill the rectangle with white and transparent."""
    empty = images.new_ones(images.shape[1])
    empty[3:] = -1  # the opacity, where there is one
    return torch.where(_hole(images, random), empty[:, None, None], images)


def _hole(images: Tensor, random: Tensor) -> Tensor:
    """Mask of a random rectangle that may extend beyond the border: bool [N, 1, H, W]."""
    rows = _covered(random[:, 0], images.shape[2])
    columns = _covered(random[:, 1], images.shape[3])
    return rows[:, None, :, None] & columns[:, None, None, :]


def _covered(random: Tensor, side: int) -> Tensor:
    """Mask of the covered pixels of a side: bool [N, side]."""
    length = round(HOLE * side)
    centre = (random * (side + 1)).long()[:, None]
    places = torch.arange(side, device=random.device)
    return (places >= centre - length // 2) & (places < centre - length // 2 + length)


def _colour(images: Tensor, random: Tensor) -> Tensor:
    """Random brightness +-0.5, saturation 0 ... 2 and contrast 0.5 ... 1.5; alpha is unchanged."""
    colours, opacity = (images[:, :3], images[:, 3:]) if images.shape[1] == 4 else (images, None)
    brightness, saturation, contrast = random.to(images.dtype)[:, :, None, None, None].unbind(1)
    colours = colours + (brightness - 0.5)
    grey = colours.mean(1, keepdim=True)
    colours = (colours - grey) * (2 * saturation) + grey
    mean = colours.mean((1, 2, 3), keepdim=True)
    colours = (colours - mean) * (contrast + 0.5) + mean
    return colours if opacity is None else torch.cat([colours, opacity], dim=1)


AUGMENTATIONS = {
    "flip": Augmentation(1, _flip),
    "translate": Augmentation(2, _translate),
    "zoom": Augmentation(1, _zoom),
    "cutout": Augmentation(2, _cutout),
    "cutout-white": Augmentation(2, _cutout_white),
    "colour": Augmentation(3, _colour),
}


def columns(names: tuple[str, ...]) -> int:
    """The number of random numbers per image: one choice per augmentation, and its parameters."""
    return sum(1 + AUGMENTATIONS[name].randoms for name in names)


def augment(images: Tensor, names: tuple[str, ...], probability: float, random: Tensor) -> Tensor:
    """Apply each augmentation to each image with the given probability, in the order of `names`.

    images: float32 or bfloat16 [N, C, H, W] in [-1, 1]. random: float32 [N, columns(names)] in
    [0, 1); equal rows give equal augmentations.
    """
    start = 0
    for name in names:
        chosen = random[:, start] < probability
        stop = start + 1 + AUGMENTATIONS[name].randoms
        changed = AUGMENTATIONS[name].apply(images, random[:, start + 1 : stop])
        images = torch.where(chosen[:, None, None, None], changed, images)
        start = stop
    return images


MOST = 0.8
"""Above it augmentations leak into generated images (Karras et al. 2020, section 2.2)."""


class AdaptiveProbability:
    """The probability of each augmentation.

    schedule: the probability by images seen. target: None uses the schedule. Otherwise the
    probability starts at the schedule's start, rises while the `certainty` of the discriminator
    exceeds the target, in -1 ... 1, and falls while it is below: by 1 within `speed_kimg` thousand
    images (Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020).
    """

    def __init__(self, schedule: CosineSchedule, target: float | None, speed_kimg: float) -> None:
        self._schedule = schedule
        self._target = target
        self._speed_kimg = speed_kimg
        self._adapted = schedule.start

    @property
    def adapts(self) -> bool:
        return self._target is not None

    def at(self, nimg: int) -> float:
        """The probability after `nimg` images."""
        return self._adapted if self.adapts else self._schedule.at(nimg)

    def follow(self, certainty: float, images: int) -> None:
        """Adapt to the certainty that the discriminator showed on `images` images."""
        if self._target is None:
            return
        step = images / (1000 * self._speed_kimg)
        moved = self._adapted + (step if certainty > self._target else -step)
        self._adapted = min(max(moved, 0.0), MOST)

    def state_dict(self) -> dict[str, float]:
        return {"adapted": self._adapted}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._adapted = state["adapted"]


def certainty(real: Tensor, fake: Tensor, paired: bool) -> Tensor:
    """The overfitting signal: the mean sign of logits of real images, in -1 ... 1.

    real, fake: logits [N]. paired: use the sign of real minus fake, for relativistic losses.
    """
    return (real - fake if paired else real).sign().mean()
