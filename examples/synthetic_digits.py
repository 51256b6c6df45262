"""Train a classifier on generated digits only, and test it on real ones.

    mirage serve &
    python -m training download-mnist data/mnist
    python examples/synthetic_digits.py --count 20000 --real data/mnist

Needs Mirage with the extra `training`. With 20,000 digits it takes some minutes on one core.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mirage.client import Client
from mirage.training.data.load import load_dataset

BATCH, EPOCHS = 128, 3


def generated(url: str, model: str, count: int) -> tuple[Tensor, Tensor]:
    """Images float32 [N, 1, 28, 28] in -1 … 1 and classes int64 [N], all classes equally often."""
    with Client(url) as client:
        images = list(client.stream(count, seed=1, labels=lambda index: index % 10, model=model))
    pixels = np.stack([image.array() for image in images])
    return _as_tensor(pixels), torch.tensor([image.label for image in images])


def real(folder: Path, split: str = "test") -> tuple[Tensor, Tensor]:
    """The real digits of a split, in the same form."""
    digits = load_dataset(folder, split=split)
    return _as_tensor(digits.images), torch.from_numpy(np.asarray(digits.labels))


def _as_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def classifier() -> nn.Module:
    """A small convolutional network: images [N, 1, 28, 28] to logits [N, 10]."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def train(network: nn.Module, images: Tensor, classes: Tensor) -> None:
    """Some epochs of Adam, each in another order."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = functional.cross_entropy(network(images[batch]), classes[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.inference_mode()
def accuracy(network: nn.Module, images: Tensor, classes: Tensor) -> float:
    """The share in 0 … 1 of the images that are classified correctly."""
    correct = [
        (network(some).argmax(1) == true).sum().item()
        for some, true in zip(images.split(1000), classes.split(1000), strict=True)
    ]
    return sum(correct) / len(images)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", default="mnist")
    parser.add_argument("--count", type=int, default=20_000, help="generated digits")
    parser.add_argument("--real", type=Path, required=True, help="folder with the files of MNIST")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = classifier()
    train(network, *generated(options.url, options.model, options.count))
    share = accuracy(network, *real(options.real))
    print(f"{share:.1%} of the real test digits are classified correctly")
