"""The family `patch`: a discriminator with one logit per neighbourhood."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks.picture_architecture import (
    PictureArchitecture,
    TranslatorArchitecture,
)

SLOPE = 0.2


class Discriminator(nn.Module):
    """Pictures, and what they were made of -> a map of logits.

    pictures: float32 [N, C, H, W] in [-1, 1]. given: the low-resolution picture, enlarged by
    interpolation to the same shape, or the source of a paired translation; None for an unpaired
    one. Returns logits float32 [N, H / 2**stages, W / 2**stages]. back: the discriminator of the
    opposite direction, for cycle consistency, or None.
    """

    def __init__(
        self, architecture: PictureArchitecture | TranslatorArchitecture, direct: bool = True
    ) -> None:
        super().__init__()
        widths = (architecture.judged, *architecture.discriminator_widths)
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.context = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.logits = nn.Conv2d(widths[-1], 1, 3, padding=1)
        for layer in (*self.stages, self.context):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)
        cyclic = isinstance(architecture, TranslatorArchitecture) and architecture.cyclic
        self.back = Discriminator(architecture, direct=False) if cyclic and direct else None

    def forward(self, pictures: Tensor, given: Tensor | None = None) -> Tensor:
        features = pictures if given is None else torch.cat([pictures, given], dim=1)
        for layer in (*self.stages, self.context):
            features = F.leaky_relu(layer(features), SLOPE)
        return self.logits(features).squeeze(1)
