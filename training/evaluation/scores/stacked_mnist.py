"""Stacked-MNIST: three digits in the colour channels, 1,000 modes; counts the modes of a model."""

from collections.abc import Callable

import numpy as np

from mirage.bundle.format.manifest import Score
from mirage.training.data.dataset import Dataset
from mirage.training.data.sources.mnist import triples_of
from mirage.training.errors import DataError
from mirage.training.evaluation.classifier import classify, load_digit_classifier
from mirage.training.evaluation.samples import generate_images
from mirage.training.evaluation.scores.metrics import reverse_kl

MODES = 1_000
SAMPLES = 26_000
"""As in VEEGAN and PacGAN; the KL of N triples is biased, so N must be fixed."""
SEEDS = 3
SIDE = 28


def stacked_scores(
    model: bytes, data: Dataset, samples: int = SAMPLES, seeds: int = SEEDS
) -> tuple[dict[str, Score], dict[str, float]]:
    """Number of modes and reverse KL to 1,000 equal modes, averaged over seeds, and their spread.

    data: Stacked-MNIST (RGB), or MNIST, whose digits are then stacked at random. Each channel is
    classified by the classifier of digits. The floor uses the same number of real triples.
    """
    of_model = _measure(lambda seed: _generated_modes(model, samples, seed), seeds)
    real = _predicted_digits(data.images)
    of_data = _measure(lambda seed: _real_modes(real, samples, seed), seeds)
    scores = {
        name: Score(
            value=float(of_model[name].mean()), floor=float(of_data[name].mean()), n=samples
        )
        for name in of_model
    }
    return scores, {name: float(values.std(ddof=1)) for name, values in of_model.items()}


def _measure(modes_of: Callable[[int], np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    found = [modes_of(seed) for seed in range(seeds)]
    return {
        "modes": np.array([float(len(np.unique(modes))) for modes in found]),
        "reverse_kl": np.array([reverse_kl(modes, MODES) for modes in found]),
    }


def _generated_modes(model: bytes, samples: int, seed: int) -> np.ndarray:
    images = generate_images(model, samples, first_seed=seed * samples)
    if images.shape[3] != 3:
        raise DataError(
            f"the model's images have {images.shape[3]} channels; stacked digits have 3"
        )
    return triples(_predicted_digits(images))


def _real_modes(digits: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Modes of `samples` real images; grey digits are stacked at random."""
    if digits.shape[1] == 1:
        return triples(digits[triples_of(len(digits), samples, seed), 0])
    rng = np.random.Generator(np.random.Philox(seed))
    return triples(digits[rng.choice(len(digits), samples, replace=len(digits) < samples)])


def triples(digits: np.ndarray) -> np.ndarray:
    """Convert digits int64 [N, 3] to modes 0 … 999."""
    return digits @ np.array([100, 10, 1])


def _predicted_digits(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> the digit in each channel, int64 [N, C]; padding is cut off."""
    top, left = ((size - SIDE) // 2 for size in images.shape[1:3])
    if top < 0 or left < 0:
        raise DataError(f"images are {images.shape[2]}x{images.shape[1]}; digits are 28x28 or more")
    middle = images[:, top : top + SIDE, left : left + SIDE]
    network = load_digit_classifier()
    return np.stack(
        [classify(network, middle[..., [channel]])[1] for channel in range(images.shape[3])], axis=1
    )
