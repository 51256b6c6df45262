"""Graphs exported from small networks, once for all tests, with the images that PyTorch makes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.service.importing.networks import (
    CLASSES,
    DCGAN,
    BigGAN,
    Bytes,
    StyleGAN2,
    export,
    latents,
    settled,
)


@dataclass(frozen=True)
class Exported:
    """A file, and the images uint8 `[N, H, W, C]` of latents `[N, 16]` and labels `[N]`."""

    path: Path
    images: Callable[[np.ndarray, np.ndarray], np.ndarray]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Export a network by name, at most once."""
    folder, done = tmp_path_factory.mktemp("exported"), dict[str, Exported]()

    def get(name: str) -> Exported:
        if name not in done:
            done[name] = MAKERS[name](folder / f"{name}.onnx")
        return done[name]

    return get


def in_bytes(images: Tensor) -> np.ndarray:
    levels = (images * 127.5 + 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def ask(network: nn.Module, *inputs: Tensor) -> np.ndarray:
    with torch.inference_mode():
        images = network(*inputs)
    return images.numpy() if images.dtype == torch.uint8 else in_bytes(images)


def tensors(z: np.ndarray) -> Tensor:
    return torch.from_numpy(z)


def dcgan(path: Path) -> Exported:
    """Of the fixed batch size 1, by the older exporter in an old opset."""
    z = latents()[:, :, None, None]
    network = settled(DCGAN(), z)
    export(network, [z[:1]], ["z"], path, opset=13, free=False, torchscript=True)
    return Exported(path, lambda z, y: ask(network, tensors(z)[:, :, None, None]))


def dcgan_in_bytes(path: Path) -> Exported:
    """Grey images in uint8, channels last."""
    z = latents()[:, :, None, None]
    network = settled(Bytes(DCGAN(channels=1)), z)
    export(network, [z], ["z"], path, opset=17, torchscript=True)
    return Exported(path, lambda z, y: ask(network, tensors(z)[:, :, None, None]))


def stylegan2(path: Path) -> Exported:
    """With a second input, and sizes that are computed in the graph."""
    z, truncation = latents(), torch.tensor(0.7)
    network = settled(StyleGAN2(), z, truncation)
    export(network, [z, truncation], ["z", "psi"], path, opset=14, torchscript=True)
    return Exported(path, lambda z, y: ask(network, tensors(z), truncation))


def noisy_stylegan2(path: Path) -> Exported:
    z = latents()
    network = settled(StyleGAN2(noise=True), z)
    export(network, [z], ["z"], path, opset=14, torchscript=True)
    return Exported(path, lambda z, y: ask(network, tensors(z)))


def biggan(path: Path) -> Exported:
    """With class indices, in the newest opset."""
    z, y = latents(), torch.arange(4) % CLASSES
    network = settled(BigGAN(), z, y)
    export(network, [z, y], ["z", "y"], path, opset=20)
    return Exported(path, lambda z, y: ask(network, tensors(z), tensors(y)))


def one_hot_biggan(path: Path) -> Exported:
    """With one-hot classes, and external data."""
    z, y = latents(), torch.eye(CLASSES)[torch.arange(4) % CLASSES]
    network = settled(BigGAN(one_hot=True), z, y)
    export(network, [z, y], ["z", "y"], path, opset=18, external=True)
    return Exported(path, lambda z, y: ask(network, tensors(z), torch.eye(CLASSES)[y]))


MAKERS = {
    maker.__name__: maker
    for maker in (dcgan, dcgan_in_bytes, stylegan2, noisy_stylegan2, biggan, one_hot_biggan)
}
