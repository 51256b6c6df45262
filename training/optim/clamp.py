"""A clamp of generated images that still has a gradient."""

from torch import Tensor


def soft_clamp(images: Tensor, slope: float) -> Tensor:
    """Images as they are within [-1, 1], with this slope beyond; 1 changes nothing.

    What a generator drives beyond the range, as empty paper, comes out almost flat, so that a
    discriminator cannot tell it by noise that no served image has.
    """
    if slope == 1:
        return images
    inside = images.clamp(-1, 1)
    return inside + slope * (images - inside)
