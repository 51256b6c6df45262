"""Trains an encoder through a frozen generator, whose images are to resemble the pictures."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from mirage.training.errors import DataError
from mirage.training.inversion.encoder import Encoder
from mirage.training.networks.base import Architecture
from mirage.training.optim.schedule import CosineSchedule
from mirage.training.runs.checkpoint import Snapshot

BATCH = 32
PRIOR = 0.003  # of the mean square of the latents; without it they leave the normal distribution
CLASS_WEIGHT = 0.1  # of the cross entropy; the errors of digits are about 0.05
RATE = 1e-3
WARM_UP_KIMG = 2.0


@dataclass(frozen=True)
class Plan:
    """How long to train an encoder (in thousands of pictures shown), and from which seed."""

    kimg: float = 150.0
    seed: int = 0


def rate_of(plan: Plan) -> CosineSchedule:
    """The learning rate, which begins to fall after `WARM_UP_KIMG`, or half of a short training."""
    constant = min(WARM_UP_KIMG, plan.kimg / 2)
    return CosineSchedule(start=RATE, end=0.0, from_kimg=constant, to_kimg=plan.kimg)


def fit_encoder(
    snapshot: Snapshot, images: np.ndarray, labels: np.ndarray | None, plan: Plan
) -> Encoder:
    """Train an encoder E of a generator G on uint8 [N, H, W, C] and labels int64 [N] or None.

    It minimises |G(E(x), y) - x|² + 0.003·|E(x)|², both means, and for conditional generators the
    cross entropy of the classes. Equal arguments give equal weights on the same machine with the
    same number of threads. Raises DataError if images or labels do not fit the generator.
    """
    check_fit(snapshot, images, labels)
    a = image_architecture(snapshot)
    torch.manual_seed(plan.seed)
    encoder = Encoder(a.height, a.width, a.channels, a.latent_dim, a.num_classes)
    generator = copy.deepcopy(snapshot.generator).folded().requires_grad_(False)
    steps = max(1, round(plan.kimg * 1000 / BATCH))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=RATE, weight_decay=0.01)
    rate = rate_of(plan)
    random = np.random.default_rng(plan.seed)
    mean = 0.0
    with tqdm(total=steps, desc="encoder", unit="step", leave=False) as bar:
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate.at(step * BATCH)
            chosen = np.sort(random.integers(len(images), size=BATCH))
            classes = None if labels is None else torch.from_numpy(labels[chosen])
            pictures = np.array(images[chosen])
            codes = encoder(torch.from_numpy(pictures))
            made = generator(codes[0], classes)
            error = F.mse_loss(made, generator.medium.to_values(pictures))
            loss = error + PRIOR * codes[0].square().mean() + _confusion(codes, classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean += (float(error.detach()) - mean) / min(step + 1, 100)
            bar.set_postfix(error=f"{mean:.4f}", refresh=False)
            bar.update()
    return encoder.eval()


def image_architecture(snapshot: Snapshot) -> Architecture:
    """The architecture of a generator of images; raises DataError for other generators."""
    if not isinstance(snapshot.architecture, Architecture):
        noun = snapshot.architecture.medium.noun
        raise DataError(f"{snapshot.path.name} makes {noun}; only images can be inverted")
    return snapshot.architecture


def check_fit(snapshot: Snapshot, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Raise DataError unless a generator makes images of this shape, with classes if there are."""
    a = image_architecture(snapshot)
    shape = (a.height, a.width, a.channels)
    if images.shape[1:] != shape:
        raise DataError(
            f"the pictures have shape {images.shape[1:]}; the generator makes {shape} "
            "(height, width, channels)"
        )
    if a.num_classes and labels is None:
        raise DataError(f"the pictures have no classes; the generator has {a.num_classes}")


def _confusion(codes: tuple[Tensor, ...], classes: Tensor | None) -> Tensor:
    if classes is None or len(codes) == 1:
        return torch.zeros(())
    return CLASS_WEIGHT * F.cross_entropy(codes[1], classes)
