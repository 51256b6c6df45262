"""A clamp with a gradient outside of its range."""

from torch import Tensor


def soft_clamp(images: Tensor, slope: float) -> Tensor:
    """Identity within [-1, 1], with slope `slope` outside; a slope of 1 is the identity.

    Generators push flat backgrounds beyond the range. A small slope compresses the noise there,
    which a discriminator could otherwise detect although served images do not have it.
    """
    if slope == 1:
        return images
    inside = images.clamp(-1, 1)
    return inside + slope * (images - inside)
