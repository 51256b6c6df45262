"""The family `compact`: 3x3 convolutions at low resolution, added to exact bicubic interpolation.

It has neither normalisation nor global operations, so each pixel depends on a fixed neighbourhood:
tiles with a halo of `radius` pixels give the same bytes as the whole picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirage.training.networks.picture_architecture import PictureArchitecture

SLOPE = 0.1
BICUBIC = -0.5
"""The free parameter of the cubic kernel, as in Pillow, MATLAB and the literature."""
RESIDUAL_GAIN = 0.1
"""Initial scale of the last convolution of a block, so that variance does not grow with depth."""


class Upscaler(nn.Module):
    """Pictures float32 [N, C, H, W] in [-1, 1] -> [N, C, scale * H, scale * W].

    Initialised as bicubic interpolation: the last convolution of the correction is zero.
    """

    def __init__(self, architecture: PictureArchitecture) -> None:
        super().__init__()
        width, channels, scale = architecture.width, architecture.channels, architecture.scale
        self.scale = scale
        self.head = _convolution(channels, width)
        self.blocks = nn.ModuleList(Residual(width) for _ in range(architecture.blocks))
        self.tail = nn.Conv2d(width, channels * scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        self.skip = Bicubic(channels, scale)

    @property
    def radius(self) -> int:
        """Radius of the receptive field, in pixels of the input."""
        return max(2 * len(self.blocks) + 2, Bicubic.RADIUS)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.head(pictures)
        for block in self.blocks:
            features = block(features)
        details = self.tail(F.leaky_relu(features, SLOPE))
        return F.pixel_shuffle(details.float() + self.skip(pictures), self.scale)


class Residual(nn.Module):
    """x + conv(LeakyReLU(conv(x))) of feature maps [N, width, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = _convolution(width, width)
        with torch.no_grad():
            self.second.weight.mul_(RESIDUAL_GAIN)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.leaky_relu(self.first(features), SLOPE))


class Bicubic(nn.Module):
    """Bicubic enlargement before depth-to-space: [N, C, H, W] -> [N, C * scale**2, H, W].

    One 5x5 convolution with one output channel per phase. It runs in float32, because bfloat16
    cannot represent 256 grey levels.
    """

    RADIUS = 2

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.channels = channels
        phases = torch.einsum("ay,bx->abyx", rows := _phases(scale), rows)
        kernels = phases.reshape(scale**2, 1, 5, 5).repeat(channels, 1, 1, 1)
        self.register_buffer("weight", kernels.float())

    def forward(self, pictures: Tensor) -> Tensor:
        weight: Tensor = self.weight  # type: ignore[assignment]
        radius = (self.RADIUS,) * 4
        with torch.autocast(pictures.device.type, enabled=False):
            padded = F.pad(pictures.float(), radius, mode="replicate")
            return F.conv2d(padded, weight, groups=self.channels)


def _phases(scale: int) -> Tensor:
    """The weights of the five nearest pixels for each phase: float64 [scale, 5]."""
    centres = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    return _cubic((torch.arange(-2, 3) - centres[:, None]).abs())


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel (1981) at the given distances."""
    a, x = BICUBIC, distance
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
