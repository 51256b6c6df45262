"""The network that estimates the latents and the class of a picture."""

import torch
from torch import Tensor, nn

FIRST, MOST = 32, 96  # channels of the first and of the widest convolutions
COARSE = 4  # largest side in pixels of the last feature map
HIDDEN = 192
SLOPE = 0.2  # of the leaky ReLUs, as in the generators


class Encoder(nn.Module):
    """Pictures uint8 [N, H, W, C] -> latents float32 [N, latent_dim] (and logits [N, classes]).

    Convolutions of stride 2 until no side is above 4 pixels, then two dense layers. It has no
    normalisation, so the latents of a picture do not depend on its batch. The colours of RGBA
    pictures are composited over white: those of transparent pixels are arbitrary.
    """

    def __init__(
        self, height: int, width: int, channels: int, latent_dim: int, num_classes: int
    ) -> None:
        super().__init__()
        self.height, self.width, self.channels = height, width, channels
        wide = FIRST
        layers: list[nn.Module] = [nn.Conv2d(channels, wide, 3, padding=1), nn.LeakyReLU(SLOPE)]
        while max(height, width) > COARSE:
            wider = min(2 * wide, MOST)
            layers += [nn.Conv2d(wide, wider, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
            height, width, wide = -(-height // 2), -(-width // 2), wider
        self.body = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(wide * height * width, HIDDEN),
            nn.LeakyReLU(SLOPE),
        )
        self.latents = nn.Linear(HIDDEN, latent_dim)
        self.logits = nn.Linear(HIDDEN, num_classes) if num_classes else None

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        hidden = self.body(self._planes(pictures))
        if self.logits is None:
            return (self.latents(hidden),)
        return self.latents(hidden), self.logits(hidden)

    def _planes(self, pictures: Tensor) -> Tensor:
        """Convert uint8 [N, H, W, C] to float32 [N, C, H, W] in [-1, 1]."""
        planes = pictures.permute(0, 3, 1, 2) / 127.5 - 1
        if self.channels < 4:
            return planes
        colours, opacity = planes[:, :3], planes[:, 3:]
        return torch.cat([1 - (1 - colours) * (opacity + 1) / 2, opacity], dim=1)
