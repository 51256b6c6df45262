"""Train a classifier on a few real digits, with and without generated ones, and test both.

    mirage serve &
    python examples/few_digits.py --few data/few --real data/mnist --model few

`--few` is the folder of labelled digits that the model was trained on. Both classifiers see as many
batches; half of each batch is generated in the second one. All digits are shifted at random.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import torch
from synthetic_digits import accuracy, classifier, generated, real
from torch import Tensor, nn
from torch.nn import functional

BATCH, STEPS, SEEDS = 64, 1500, 5
SHIFT = 2  # pixels

Digits = tuple[Tensor, Tensor]


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


def compare(sources: list[Digits], test: Digits) -> str:
    """The accuracy of classifiers of several seeds, on average and with its deviation."""
    shares = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        network = classifier()
        train(network, sources)
        shares.append(accuracy(network, *test))
    return f"{mean(shares):.2%} ± {stdev(shares):.2%}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True, help="trained on the digits of --few")
    parser.add_argument("--few", type=Path, required=True, help="folder of labelled digits")
    parser.add_argument("--count", type=int, default=6000, help="generated digits")
    parser.add_argument("--real", type=Path, required=True, help="folder with the files of MNIST")
    options = parser.parse_args()
    few, test = real(options.few, "train"), real(options.real)
    made = generated(options.url, options.model, options.count)
    print(f"{len(few[0])} real digits: {compare([few], test)} of the test digits are right")
    print(f"and {options.count} generated ones: {compare([few, made], test)}")
