"""Small generators as others build and export them: DCGAN, StyleGAN2 and BigGAN."""

import itertools
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT_DIM, CLASSES = 16, 6


class DCGAN(nn.Module):
    """Latents `[N, 16, 1, 1]` to RGB 32x32 in -1 … 1: transposed convolutions, batch norm, tanh."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        widths = (LATENT_DIM, 32, 24, 16)
        blocks: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(widths)):
            stride, padding = (1, 0) if number == 0 else (2, 1)
            blocks += [
                nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.blocks = nn.Sequential(*blocks, nn.ConvTranspose2d(16, channels, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.blocks(z)


class ModulatedConv(nn.Module):
    """A convolution whose input is scaled by a style, and its output back to unit variance."""

    def __init__(self, before: int, after: int, kernel: int, *, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.style = nn.Linear(LATENT_DIM, before)
        self.bias = nn.Parameter(torch.zeros(after))
        self.up = up
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("blur", (taps[:, None] * taps / 16).repeat(after, 1, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.style(w) + 1
        squares = self.weight.square().sum(dim=[2, 3])
        demodulation = (style.square() @ squares.t() + 1e-8).rsqrt()
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = F.conv2d(F.pad(x, (1, 1, 1, 1)), self.blur, groups=len(self.weight))
        else:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[2] // 2)
        x = x * demodulation[:, :, None, None] + self.bias[:, None, None]
        return F.leaky_relu(x, 0.2) * 2**0.5


class StyleGAN2(nn.Module):
    """Latents `[N, 16]` to RGB 32x32, about -1 … 1: mapping network, skip connections.

    noise: adds noise drawn anew at each call, as StyleGAN2 does by default.
    """

    def __init__(self, noise: bool = False) -> None:
        super().__init__()
        self.noise = noise
        self.mapping = nn.ModuleList(nn.Linear(LATENT_DIM, LATENT_DIM) for _ in range(3))
        fixed = torch.Generator().manual_seed(2)
        self.register_buffer("const", torch.randn(1, 24, 4, 4, generator=fixed))
        self.ups = nn.ModuleList(ModulatedConv(24, 24, 3, up=True) for _ in range(3))
        self.convs = nn.ModuleList(ModulatedConv(24, 24, 3) for _ in range(3))
        self.to_rgb = nn.ModuleList(ModulatedConv(24, 3, 1) for _ in range(3))

    def forward(self, z: Tensor, truncation: Tensor | None = None) -> Tensor:
        w = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.mapping:
            w = F.leaky_relu(layer(w), 0.2)
        if truncation is not None:
            w = w * truncation
        x = self.const.expand(z.shape[0], -1, -1, -1)
        image: Tensor | None = None
        for up, conv, to_rgb in zip(self.ups, self.convs, self.to_rgb, strict=True):
            x = up(x, w)
            if self.noise:
                x = x + torch.randn_like(x[:, :1])
            x = conv(x, w)
            rgb = to_rgb(x, w)
            if image is not None:
                rgb = rgb + F.interpolate(image, scale_factor=2, mode="bilinear")
            image = rgb
        assert image is not None
        return image * 0.3


class ClassNorm(nn.Module):
    """Batch norm whose gain and bias come from latents and class."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gain, self.bias = nn.Linear(condition, width), nn.Linear(condition, width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = self.gain(condition), self.bias(condition)
        return self.norm(x) * (1 + gain[:, :, None, None]) + bias[:, :, None, None]


class BigGAN(nn.Module):
    """Latents `[N, 16]` and labels to RGB 16x16 in -1 … 1: class-conditional norm, attention.

    one_hot: labels are float32 `[N, 6]` instead of int64 `[N]`.
    """

    def __init__(self, one_hot: bool = False) -> None:
        super().__init__()
        self.one_hot = one_hot
        self.embedding = nn.Parameter(torch.randn(CLASSES, 8))
        self.first = nn.Linear(LATENT_DIM + 8, 24 * 16)
        self.norms = nn.ModuleList(ClassNorm(24, LATENT_DIM + 8) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(24, 24, 3, padding=1) for _ in range(2))
        self.shortcuts = nn.ModuleList(nn.Conv2d(24, 24, 1) for _ in range(2))
        self.query, self.key = nn.Conv2d(24, 4, 1), nn.Conv2d(24, 4, 1)
        self.last = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        embedded = y @ self.embedding if self.one_hot else self.embedding[y]
        condition = torch.cat([z, embedded], dim=1)
        x = self.first(condition).view(-1, 24, 4, 4)
        for norm, conv, shortcut in zip(self.norms, self.convs, self.shortcuts, strict=True):
            residual = F.interpolate(shortcut(x), scale_factor=2)
            x = residual + conv(F.interpolate(F.relu(norm(x, condition)), scale_factor=2))
        queries, keys = self.query(x).flatten(2), self.key(x).flatten(2)
        weights = torch.softmax(queries.transpose(1, 2) @ keys, dim=2)
        x = x + (x.flatten(2) @ weights.transpose(1, 2)).view(x.shape)
        return torch.tanh(0.2 * self.last(F.relu(x)))


class Bytes(nn.Module):
    """A generator whose images are uint8 `[N, H, W, C]`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        levels = (self.network(z) * 127.5 + 127.5).round().clamp(0, 255)
        return levels.to(torch.uint8).permute(0, 2, 3, 1)


def settled(network: nn.Module, *inputs: Tensor) -> nn.Module:
    """The network with fixed weights and batch statistics, in evaluation mode."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=1.5 * parameter[0].numel() ** -0.5)
    with torch.no_grad():
        network.train()(*inputs)
    return network.eval()


def export(
    network: nn.Module,
    inputs: Sequence[Tensor],
    names: Sequence[str],
    path: Path,
    *,
    opset: int = 18,
    free: bool = True,
    external: bool = False,
    torchscript: bool = False,
) -> Path:
    """Export a network whose inputs are `names` and whose output is `out`.

    free: any batch size, else that of the inputs. torchscript: by the older exporter.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    common = {"input_names": list(names), "output_names": ["out"], "opset_version": opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if torchscript:
            batched = [name for name, each in zip(names, inputs, strict=True) if each.dim()]
            axes = {name: {0: "batch"} for name in (*batched, "out")} if free else None
            torch.onnx.export(
                network, tuple(inputs), path, dynamo=False, dynamic_axes=axes, **common
            )
            return path
        batch = {0: torch.export.Dim("batch", min=1, max=1024)}
        shapes = tuple(batch if tensor.dim() and free else None for tensor in inputs)
        torch.onnx.export(
            network,
            tuple(inputs),
            path,
            dynamo=True,
            external_data=external,
            dynamic_shapes=shapes,
            verbose=False,
            **common,
        )
    return path


def latents(count: int = 4) -> Tensor:
    """Fixed latents `[count, 16]`."""
    return torch.randn(count, LATENT_DIM, generator=torch.Generator().manual_seed(1))
