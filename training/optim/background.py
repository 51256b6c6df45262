"""Images with opacity as a discriminator sees them: over a colour of chance."""

import torch
from torch import Tensor


def over_background(images: Tensor, random: Tensor) -> Tensor:
    """Put colours that lie over white over another colour, beside their opacity.

    images: float32 or bfloat16 [N, 4, H, W] in [-1, 1], as `to_planes` makes them `on-white`.
    random: float32 [N, 3] in [0, 1), the colours' channels from black to white. A discriminator
    that sees one background only hardly tells a faint haze from it. Nothing leaks into what is
    generated, as the opacity tells how much of the background is seen.
    """
    colours, opacity = images[:, :3], images[:, 3:]
    darker = (2 * random - 2).to(images.dtype)[:, :, None, None]  # than white
    return torch.cat([colours + darker * (1 - opacity) / 2, opacity], dim=1)
