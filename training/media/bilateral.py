"""A bilateral filter (Tomasi & Manduchi, "Bilateral Filtering for Gray and Color Images", 1998)."""

import torch
import torch.nn.functional as F
from torch import Tensor

RANGE = 0.1
"""Standard deviation of the weights, in values of [-1, 1]: 13 grey levels. A neighbour that differs
by so much has a weight of 0.61. Filtering three times with 0.1, the distance of generated patches
of 7x7 pixels from those of 948 persons at 32x32 was 2.97, with 0.07 3.12, without a filter 3.17. A
network that was also trained with the filter, for 96 kimg, came to 3.66."""
NEIGHBOURS = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]


def smoothed(images: Tensor, times: int) -> Tensor:
    """Smooth areas of nearly one colour, and keep edges and what is outside [-1, 1].

    images: float32 [N, C, H, W]. Each time, a pixel becomes the mean of the 3x3 pixels around it,
    with weights exp(-d^2 / (2 RANGE^2)) for a distance d of all C channels (equation 5 with a box
    as the domain filter). Values beyond [-1, 1] count as the nearest value inside.
    """
    if times == 0:
        return images
    inside = images.clamp(-1, 1)
    beyond = images - inside
    for _ in range(times):
        inside = _smoothed_once(inside)
    return inside + beyond


def _smoothed_once(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    around = F.pad(images, (1, 1, 1, 1), mode="replicate")
    total, weights = images, torch.ones_like(images[:, :1])
    for y, x in NEIGHBOURS:
        shifted = around[:, :, y : y + height, x : x + width]
        distance = (shifted - images).square().sum(dim=1, keepdim=True)
        weight = torch.exp(distance * (-0.5 / RANGE**2))
        total = total + weight * shifted
        weights = weights + weight
    return total / weights
