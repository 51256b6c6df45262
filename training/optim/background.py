"""Composites of RGBA images over random colours, for the discriminator."""

import torch
from torch import Tensor


def over_background(images: Tensor, random: Tensor) -> Tensor:
    """Replace the white background of each image by a colour; the opacity stays unchanged.

    images: float32 or bfloat16 [N, 4, H, W] in [-1, 1], from `to_planes` with `on-white`. random:
    float32 [N, 3] in [0, 1), the channels of the colours from black to white. Against white alone,
    the discriminator hardly notices faint colours of low opacity. The transform is invertible given
    the opacity, so it cannot leak into the generated images.
    """
    colours, opacity = images[:, :3], images[:, 3:]
    darker = (2 * random - 2).to(images.dtype)[:, :, None, None]  # relative to white
    return torch.cat([colours + darker * (1 - opacity) / 2, opacity], dim=1)
