"""What generated digits add to a few real ones: a classifier is trained with and without them.

    python -m training download-mnist data/mnist
    python examples/few_digits.py write data/few --real data/mnist
    mirage train --data data/few --kimg 100 --run runs/few --threads 1
    mirage export runs/few --to models/few && mirage bundle release few 1
    mirage serve --models models &
    python examples/few_digits.py test data/few --real data/mnist --model few

Both classifiers see as many batches; half of each batch is generated for the second one. All digits
are shifted at random.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from PIL import Image
from synthetic_digits import accuracy, classifier, generated, real
from torch import Tensor, nn
from torch.nn import functional

from mirage.training.data.load import load_dataset

BATCH, STEPS, SEEDS = 64, 1500, 5
SHIFT = 2  # pixels
EACH = 30  # of 10 classes

Digits = tuple[Tensor, Tensor]


def write(folder: Path, mnist: Path) -> None:
    """The first digits of each class, as PNGs in a folder per class."""
    digits = load_dataset(mnist)
    labels = np.asarray(digits.labels)
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True, exist_ok=True)
        for number, index in enumerate(np.flatnonzero(labels == digit)[:EACH]):
            image = Image.fromarray(digits.images[index][..., 0])
            image.save(folder / str(digit) / f"{number:02d}.png")


def train(network: nn.Module, sources: list[Digits]) -> None:
    """Adam, with equal parts of each batch from the sources."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        parts = [_some(*source, BATCH // len(sources)) for source in sources]
        images, classes = (torch.cat(each) for each in zip(*parts, strict=True))
        loss = functional.cross_entropy(network(_shifted(images)), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _some(images: Tensor, classes: Tensor, count: int) -> Digits:
    chosen = torch.randint(len(images), (count,))
    return images[chosen], classes[chosen]


def _shifted(images: Tensor) -> Tensor:
    """Each image moved by up to `SHIFT` pixels; what comes in is black."""
    height, width = images.shape[2:]
    padded = functional.pad(images, (SHIFT,) * 4, value=-1.0)
    places = torch.randint(2 * SHIFT + 1, (len(images), 2)).tolist()
    moved = [
        one[:, y : y + height, x : x + width] for one, (y, x) in zip(padded, places, strict=True)
    ]
    return torch.stack(moved)


def compare(sources: list[Digits], unseen: Digits) -> str:
    """The accuracy of classifiers of several seeds, on average and with its deviation."""
    shares = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        network = classifier()
        train(network, sources)
        shares.append(accuracy(network, *unseen))
    return f"{mean(shares):.2%} ± {stdev(shares):.2%}"


def test(options: argparse.Namespace) -> None:
    """Print the accuracies."""
    few, unseen = real(options.folder, "train"), real(options.real)
    made = generated(options.url, options.model, options.count)
    print(f"{len(few[0])} real digits: {compare([few], unseen)} of the test digits are right")
    print(f"and {options.count} generated ones: {compare([few, made], unseen)}")
    print(f"the generated ones alone: {compare([made], unseen)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("write", "test"))
    parser.add_argument("folder", type=Path, help="of the few digits")
    parser.add_argument("--real", type=Path, required=True, help="folder with the files of MNIST")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", default="few", help="trained on the few digits")
    parser.add_argument("--count", type=int, default=6000, help="generated digits")
    options = parser.parse_args()
    if options.step == "write":
        write(options.folder, options.real)
    else:
        test(options)
