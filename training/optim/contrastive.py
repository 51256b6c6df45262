"""The patchwise contrastive loss of unpaired translation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCHES = 64
"""Places of each feature map that are compared."""
TEMPERATURE = 0.07
SAME = 0.999
"""Cosine similarity of two places of the source from which on they are the same, such as two
places of a white background; they are no negatives of each other, because telling them apart would
mean to draw something there."""


def draw_places(features: list[Tensor]) -> list[Tensor]:
    """Random places of each feature map [N, C, H, W]: int64 [at most PATCHES], without repeats."""
    sizes = (layer.shape[2] * layer.shape[3] for layer in features)
    return [torch.randperm(size)[:PATCHES].to(features[0].device) for size in sizes]


def embed(features: list[Tensor], places: list[Tensor], projections: nn.ModuleList) -> list[Tensor]:
    """Unit vectors float32 [N, places, D] of the features at some places, for each layer."""
    return [
        F.normalize(projection(layer.flatten(2)[:, :, chosen].transpose(1, 2)).float(), dim=2)
        for layer, chosen, projection in zip(features, places, projections, strict=True)
    ]


def contrastive_loss(queries: list[Tensor], keys: list[Tensor]) -> Tensor:
    """Cross-entropy of finding each place of a picture among those of its source.

    queries, keys: vectors of translated and of source pictures, [N, places, D] for each layer. Mean
    over layers (Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020,
    eq. 3 and 4).
    """
    losses = [_layer(query, key.detach()) for query, key in zip(queries, keys, strict=True)]
    return torch.stack(losses).mean()


def _layer(queries: Tensor, keys: Tensor) -> Tensor:
    alike = keys @ keys.transpose(1, 2) > SAME
    others = ~torch.eye(keys.shape[1], dtype=torch.bool, device=keys.device)
    logits = (queries @ keys.transpose(1, 2) / TEMPERATURE).masked_fill(alike & others, -torch.inf)
    targets = torch.arange(keys.shape[1], device=keys.device).expand(len(keys), -1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
