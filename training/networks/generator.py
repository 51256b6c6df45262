"""What every family's generator is, beside a module."""

from abc import abstractmethod

from torch import Tensor, nn


class Generator(nn.Module):
    """Latents float32 [N, latent_dim] and labels int64 [N] or None -> images [N, C, H, W]."""

    @abstractmethod
    def latent_weight(self) -> Tensor:
        """The first layer's weight as far as it sees latents: float32 [outputs, latent_dim]."""


def gained(latents: Tensor, gain: float) -> Tensor:
    """Latents spread wider than in training; above 1 this buys variety with certainty of class."""
    return latents if gain == 1 else latents * gain
