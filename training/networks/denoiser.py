"""A network that removes noise from images, as the last part of a trained generator.

GANs leave a faint grain in areas that should have one colour. A network that has learned to remove
noise from real images (Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for
Image Denoising", 2017) removes that as well. The adversarial game does not see it: a generator that
was trained through it learned a stronger grain, and had fewer flat areas than one without.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks.layers import Block, activate, scaled

BLOCKS = 2
"""At half the size, where they see twice as far for a quarter of the cost."""
LARGEST = 0.2
"""Largest standard deviation of the noise, a tenth of the range of values. With 0.1, some of the
grain of avatars remained; with 0.3, edges became softer."""


class Denoiser(nn.Module):
    """float [N, C, H, W] with even sides -> the same minus its noise; begins as the identity."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = scaled(nn.Conv2d(channels, width, 3, padding=1))
        self.down = scaled(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1))
        self.coarse = nn.Sequential(*(Block(2 * width) for _ in range(BLOCKS)))
        self.up = scaled(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1))
        self.fine = Block(width)
        self.last = scaled(nn.Conv2d(width, channels, 3, padding=1), gain=0.0)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        x = self.fine(x + self.up(activate(self.coarse(self.down(activate(x))))))
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 has not 256 grey levels
            return images + self.last(activate(x.float()))

    def loss(self, images: Tensor, noise: Tensor) -> Tensor:
        """The mean absolute error that remains of real images with noise of the same shape."""
        return F.l1_loss(self(images + noise), images)
