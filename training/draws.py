"""What chance decides for each image of one network's move, beside its latents."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mirage.training.augment import augment, columns
from mirage.training.config import TrainConfig
from mirage.training.distributed import rank, world_size


@dataclass(frozen=True)
class Draws:
    """Drawn for real and fake members of a pair alike; None where nothing asks for it.

    augment: float32 [N, columns] in [0, 1). noise: float32 [N, C, H, W], normal. wrong: int64 [N],
    classes that are not the image's. between: float32 [N] in [0, 1).
    """

    augment: Tensor | None = None
    noise: Tensor | None = None
    wrong: Tensor | None = None
    between: Tensor | None = None

    def __getitem__(self, part: slice) -> "Draws":
        drawn = {field.name: getattr(self, field.name) for field in fields(self)}
        return Draws(**{k: None if v is None else v[part] for k, v in drawn.items()})

    def to(self, device: torch.device) -> "Draws":
        drawn = {field.name: getattr(self, field.name) for field in fields(self)}
        return Draws(**{k: None if v is None else v.to(device) for k, v in drawn.items()})

    def see(self, images: Tensor, config: TrainConfig, probability: float, sigma: float) -> Tensor:
        """The images as the discriminator sees them: [M * N, C, H, W], the N draws M times."""
        if self.augment is not None:
            random = self.augment.repeat(len(images) // len(self.augment), 1)
            images = augment(images, config.augment, probability, random)
        if self.noise is not None:
            images = images + sigma * self.noise.repeat(len(images) // len(self.noise), 1, 1, 1)
        return images


def draw_for_all(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """`count` rows for this process, of those that all processes draw alike for all of them."""
    return draw(count * world_size()).chunk(world_size())[rank()]


def draw_augment(config: TrainConfig, count: int) -> Tensor | None:
    """The random numbers of a move's augmentation."""
    width = columns(config.augment)
    return draw_for_all(lambda n: torch.rand(n, width), count) if width else None


def draw_noise(images: Tensor, sigma: float) -> Tensor | None:
    """Noise for each image, where there is to be any."""
    shape = images.shape[1:]
    return draw_for_all(lambda n: torch.randn(n, *shape), len(images)) if sigma > 0 else None


def draw_wrong_labels(labels: Tensor, num_classes: int) -> Tensor:
    """For each label int64 [N] another class, all others equally likely."""
    shift = draw_for_all(lambda n: torch.randint(1, num_classes, (n,)), len(labels))
    return (labels + shift.to(labels.device)) % num_classes
