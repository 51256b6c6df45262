"""What every family's generator is, beside a module."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from mirage.training.networks.architecture import Architecture

TINY = 1e-8
"""Keeps the normalisation of zeros a number (Karras et al. 2018)."""


class Generator(nn.Module):
    """Latents float32 [N, latent_dim] and labels int64 [N] or None -> images [N, C, H, W]."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.latent_dim = a.latent_dim
        self.latent_gain = a.latent_gain
        self.normalize = a.normalize
        self.transparency = a.transparency

    @abstractmethod
    def latent_weight(self) -> Tensor:
        """The first layer's weight as far as it sees latents: float32 [outputs, latent_dim]."""


def gained(latents: Tensor, gain: float) -> Tensor:
    """Latents spread wider than in training; above 1 this buys variety with certainty of class."""
    return latents if gain == 1 else latents * gain


def normalized(x: Tensor, how: str) -> Tensor:
    """float [N, D], for `rms` as float32 with a root mean square of 1 in each sample.

    Without normalisation a network of leaky ReLUs is nearly homogeneous: the size of a sample's
    vector becomes the contrast of its image. StyleGAN's mapping divides so, too (Karras et al.,
    "Progressive Growing of GANs", ICLR 2018, section 4.2: pixelwise feature normalisation).
    """
    if how == "none":
        return x
    x = x.float()  # squares of bfloat16 lose what is divided by
    return x / torch.sqrt(x.square().mean(dim=1, keepdim=True) + TINY)
