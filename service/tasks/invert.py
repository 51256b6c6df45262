"""The task `invert`: latents and a label whose image resembles a given picture.

Levenberg-Marquardt with finite differences (Nocedal & Wright, "Numerical Optimization", 2006,
section 10.3). It sees only the images of the model, so it needs neither gradients nor PyTorch.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.service.errors import LimitExceeded
from mirage.service.tasks.requests import LATENT_BOUND

Latents = NDArray[np.float32]
Labels = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]  # [n, values], in [-1, 1]

# Standard deviations of a latent. Values of images are rounded to 1/127.5, so smaller steps drown
# in rounding: on 24 digits, 0.1 gave errors a tenth larger than 0.3 … 0.6.
STEPS = (0.6, 0.45, 0.3)  # in the first iterations; later ones have the last
PRIOR = 0.003  # of the mean square of the latents: without it they leave the normal distribution
# Relative to the mean curvature, from bold to careful. Each is tried in every iteration.
DAMPINGS = tuple(float(value) for value in np.geomspace(0.003, 3, 8))
STARTS = 16  # latents per class that are tried without an encoder
START_SEED = 0
MAX_VALUES = 16_000_000  # values of the images of an iteration, which are in memory at once
MAX_LATENT_DIM = 1024  # matrices of latent_dim² numbers are decomposed in each iteration
ENCODED_ITERATIONS, ITERATIONS = 4, 12  # by default, from an encoder and without one


class Trial(NamedTuple):
    """A batch of inputs: latents float32 `[n, latent_dim]`, labels int64 `[n]` or None."""

    latents: Latents
    labels: Labels | None


@dataclass(frozen=True)
class Start:
    """Where to begin: an encoder's latents float32 `[latent_dim]`, and the classes to choose from.

    Without latents, several per class are tried: zeros, and the first of seed 0. `classes` are
    empty for unconditional models.
    """

    latents: Latents | None
    classes: tuple[int, ...]

    def trial(self, latent_dim: int) -> Trial:
        """Return the inputs to try: all latents for each class."""
        latents = self._drawn(latent_dim) if self.latents is None else self.latents[None]
        latents = np.clip(latents, -LATENT_BOUND, LATENT_BOUND)
        if not self.classes:
            return Trial(latents, None)
        tried = np.tile(latents, (len(self.classes), 1))
        return Trial(tried, np.repeat(np.array(self.classes, np.int64), len(latents)))

    def count(self, latent_dim: int) -> int:
        """Return the number of images that it makes."""
        each = self._draws(latent_dim) if self.latents is None else 1
        return each * max(1, len(self.classes))

    def _draws(self, latent_dim: int) -> int:
        return max(1, min(STARTS, batch_images(latent_dim) // max(1, len(self.classes))))

    def _drawn(self, latent_dim: int) -> Latents:
        draws = self._draws(latent_dim)
        latents = np.zeros((draws, latent_dim), np.float32)
        if draws > 1:
            latents[1:], _ = draw_latents(START_SEED, 0, draws - 1, latent_dim)
        return latents


@dataclass(frozen=True)
class Inversion:
    """The latents float32 `[latent_dim]` and the label that were found, and their image.

    `error` is the mean squared difference of image and picture, with values in [-1, 1].
    """

    latents: Latents
    label: int | None
    image: Pixels
    error: float


def check_size(manifest: Manifest) -> None:
    """Raise LimitExceeded for a model that is too large to invert."""
    image, latent_dim = manifest.image, manifest.latent_dim
    values = batch_images(latent_dim) * image.height * image.width * image.channels
    name = f"{manifest.name}@{manifest.version}"
    if values > MAX_VALUES:
        raise LimitExceeded.of(
            "model",
            f"an iteration would make images of {values} values with {name};"
            f" at most {MAX_VALUES} are allowed",
        )
    if latent_dim > MAX_LATENT_DIM:
        raise LimitExceeded.of(
            "model", f"latent_dim of {name} is {latent_dim}; at most {MAX_LATENT_DIM} is allowed"
        )


def likely_classes(
    manifest: Manifest, label: int | None, logits: NDArray[np.float32] | None
) -> tuple[int, ...]:
    """Return the classes to try: the given one, the likeliest by an encoder's logits, or all.

    Raises LimitExceeded for more classes than an iteration makes images, without label and logits.
    """
    if not manifest.num_classes:
        return ()
    if label is not None:
        return (label,)
    if logits is not None:
        return (int(logits.argmax()),)
    if manifest.num_classes > (most := batch_images(manifest.latent_dim)):
        raise LimitExceeded.of(
            "label",
            f"label is absent; {manifest.name} has {manifest.num_classes} classes, and at most"
            f" {most} can be tried, so name one",
        )
    return tuple(range(manifest.num_classes))


def batch_images(latent_dim: int) -> int:
    """Return how many images an iteration makes."""
    return latent_dim + len(DAMPINGS)


def invert(
    picture: Pixels, latent_dim: int, start: Start, iterations: int
) -> Generator[Trial, Pixels, Inversion]:
    """Yield batches of inputs, receive their images uint8 `[n, H, W, C]`, and return the result.

    It minimises mean((f(z) - x)²) + 0.003·mean(z²) for a picture x, uint8 `[H, W, C]`. The result
    depends on the arguments and the images alone.
    """
    search = _Search(to_planes(picture[None])[0], latent_dim)
    yield from search.begin(start)
    for number in range(iterations):
        slopes = yield from search.differentiate(STEPS[min(number, len(STEPS) - 1)])
        yield from search.improve(slopes)
    best = search.best
    return Inversion(best.latents, search.label, best.image, best.error)


def to_planes(images: Pixels) -> Planes:
    """Convert uint8 `[n, H, W, C]` to the values that are compared, float32 `[n, H·W·C]`.

    Colours with alpha are composited over white, because those of transparent pixels are invisible.
    """
    planes = images.astype(np.float32)
    if images.shape[3] == 4:
        planes[..., :3] = 255 - (255 - planes[..., :3]) * planes[..., 3:] / 255
    return (planes / 127.5 - 1).reshape(len(images), -1)


class _Point(NamedTuple):
    """Latents with their image, its planes, its error, and the error with the prior."""

    latents: Latents
    image: Pixels
    planes: Planes
    error: float
    loss: float


class _Search:
    """The best latents so far. Its methods are generators like `invert`."""

    def __init__(self, target: Planes, latent_dim: int) -> None:
        self._target = target
        self._latent_dim = latent_dim
        self.label: int | None = None
        self.best: _Point

    def begin(self, start: Start) -> Generator[Trial, Pixels, None]:
        """Choose the class and the first latents by the error alone."""
        trial = start.trial(self._latent_dim)
        points = yield from self._evaluate(trial)
        chosen = min(range(len(points)), key=lambda number: points[number].error)
        self.label = None if trial.labels is None else int(trial.labels[chosen])
        self.best = points[chosen]

    def differentiate(self, step: float) -> Generator[Trial, Pixels, Planes]:
        """Return the derivatives of the planes, float32 `[latent_dim, values]`."""
        moved = self.best.latents + step * np.eye(self._latent_dim, dtype=np.float32)
        images = yield self._trial(moved)
        slopes = to_planes(images)
        slopes -= self.best.planes
        slopes /= step
        return slopes

    def improve(self, slopes: Planes) -> Generator[Trial, Pixels, None]:
        """Go to the best of several damped steps, unless all are worse."""
        yield from self._take_best(self.best.latents + np.stack([*self._steps(slopes)]))

    def _steps(self, slopes: Planes) -> Iterator[Latents]:
        """Yield a step for each damping; a larger one makes it shorter and steeper."""
        weight = PRIOR / self._latent_dim
        residual = (self.best.planes - self._target).astype(np.float64)
        curvature = (slopes @ slopes.T).astype(np.float64) / len(residual)
        gradient = (slopes @ residual.astype(np.float32)).astype(np.float64) / len(residual)
        gradient += weight * self.best.latents
        values, vectors = np.linalg.eigh(curvature)
        along, mean = vectors.T @ gradient, float(values.mean()) + weight
        for damping in DAMPINGS:
            step = vectors @ (along / (np.maximum(values, 0) + weight + damping * mean))
            yield -step.astype(np.float32)

    def _take_best(self, latents: Latents) -> Generator[Trial, Pixels, None]:
        points = yield from self._evaluate(self._trial(latents))
        self.best = min((self.best, *points), key=lambda point: point.loss)

    def _trial(self, latents: Latents) -> Trial:
        labels = None if self.label is None else np.full(len(latents), self.label, np.int64)
        return Trial(np.clip(latents, -LATENT_BOUND, LATENT_BOUND), labels)

    def _evaluate(self, trial: Trial) -> Generator[Trial, Pixels, Sequence[_Point]]:
        images = yield trial
        planes = to_planes(images)
        errors = np.square(planes - self._target).mean(axis=1)
        losses = errors + PRIOR * np.square(trial.latents).mean(axis=1)
        rows = zip(trial.latents, images, planes, errors, losses, strict=True)
        return [_Point(z, image, each, float(e), float(loss)) for z, image, each, e, loss in rows]
