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
STARTS = 16  # latents that are tried without an encoder: zeros, and the first of seed 0
START_SEED = 0
MAX_VALUES = 16_000_000  # values of the images of an iteration, which are in memory at once
MAX_LATENT_DIM = 1024  # matrices of latent_dim² numbers are decomposed in each iteration
MAX_CLASSES = 256  # that are tried if the class is not known
ENCODED_ITERATIONS, ITERATIONS, MAX_ITERATIONS = 4, 12, 32  # from an encoder; without one; at most


class Trial(NamedTuple):
    """A batch of inputs: latents float32 `[n, latent_dim]`, labels int64 `[n]` or None."""

    latents: Latents
    labels: Labels | None


@dataclass(frozen=True)
class Start:
    """Where to begin: latents float32 `[latent_dim]`, and classes to choose from, likeliest first.

    Without latents, the best of `STARTS` is taken. `classes` are empty for unconditional models.
    """

    latents: Latents | None
    classes: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of images until the first iteration."""
        if self.latents is not None:
            return max(1, len(self.classes))
        return max(1, len(self.classes)) + STARTS - 1


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
    values = (latent_dim + len(DAMPINGS)) * image.height * image.width * image.channels
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


def count_images(latent_dim: int, start: Start, iterations: int) -> int:
    """Return how many images an inversion makes."""
    return start.count + iterations * (latent_dim + len(DAMPINGS))


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
        """Choose the class and the first latents."""
        latents = start.latents
        if latents is None:
            latents = np.zeros(self._latent_dim, np.float32)
        tries = max(1, len(start.classes))
        classes = np.array(start.classes, np.int64) if start.classes else None
        points = yield from self._evaluate(Trial(np.tile(latents, (tries, 1)), classes))
        chosen = min(range(tries), key=lambda number: points[number].error)
        self.label = start.classes[chosen] if start.classes else None
        self.best = points[chosen]
        if start.latents is None:
            drawn, _ = draw_latents(START_SEED, 0, STARTS - 1, self._latent_dim)
            yield from self._take_best(drawn)

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
        return Trial(latents, labels)

    def _evaluate(self, trial: Trial) -> Generator[Trial, Pixels, Sequence[_Point]]:
        images = yield trial
        planes = to_planes(images)
        errors = np.square(planes - self._target).mean(axis=1)
        losses = errors + PRIOR * np.square(trial.latents).mean(axis=1)
        rows = zip(trial.latents, images, planes, errors, losses, strict=True)
        return [_Point(z, image, each, float(e), float(loss)) for z, image, each, e, loss in rows]
