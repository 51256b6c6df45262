"""Latent directions fitted to examples: seeds or pictures, each with a number."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from mirage.bundle.format.interface import Image
from mirage.bundle.format.latents import SEED_END, draw_latents
from mirage.bundle.format.verify import Bundle
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.image import Form, normalise, open_picture, read_file, to_pixels
from mirage.training.errors import DataError

FEWEST, MOST = 4, 100_000
RIDGE = 1.0  # as if so many further examples of latents from a normal distribution had the mean
SEED = re.compile(r"(\d{1,20})(?::(\d{1,9}))?")


@dataclass(frozen=True)
class FittedDirection:
    """vector: float64 [latent_dim] of length 1, along which the numbers grow.

    correlation: of the numbers with the position along it, when the direction is fitted without
    the example at hand. count: the number of examples.
    """

    vector: np.ndarray
    correlation: float
    count: int


def fit_direction(latents: np.ndarray, values: np.ndarray) -> FittedDirection:
    """Fit a direction to latents float [N, latent_dim] and their numbers float [N].

    Ridge regression with an intercept, and leave-one-out predictions in closed form (Hastie,
    Tibshirani & Friedman, "The Elements of Statistical Learning", 2009, equations 3.44 and 7.64).
    Raises DataError for fewer than 4 examples, equal numbers, or equal latents.
    """
    count = len(values)
    if count < FEWEST:
        raise DataError(f"there are {count} examples; at least {FEWEST} are needed")
    if np.ptp(values) == 0:
        raise DataError(f"all {count} examples have the number {values[0]:g}; they must differ")
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    wanted = values - values.mean()
    inverse = np.linalg.inv(centred.T @ centred + RIDGE * np.eye(latents.shape[1]))
    weights = inverse @ (centred.T @ wanted)
    length = float(np.linalg.norm(weights))
    if length == 0:
        raise DataError("the latents of the examples tell nothing of their numbers")
    leverage = np.einsum("nd,de,ne->n", centred, inverse, centred) + 1 / count
    residual = (wanted - centred @ weights) / np.maximum(1 - leverage, 1e-9)
    predicted = wanted - residual
    spread = float(np.ptp(predicted))
    correlation = float(np.corrcoef(predicted, wanted)[0, 1]) if spread > 0 else 0.0
    return FittedDirection(weights / length, correlation, count)


def read_examples(path: Path, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Read lines `seed,number`, `seed:index,number` or `picture,number` of a CSV file.

    Pictures are paths relative to the file; their latents are those of the bundle's encoder.
    Returns latents float32 [N, latent_dim] and numbers float64 [N]. Raises DataError, and OSError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(table.line_num, row) for row in table if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file: {error}") from None
    if len(rows) > MOST:
        raise DataError(f"{path} has {len(rows)} examples; at most {MOST} are allowed")
    reader = _LatentsReader(bundle, path.parent)
    latents, values = [], []
    for number, row in rows:
        try:
            called, written = (cell.strip() for cell in row)
            value = float(written)
            if not np.isfinite(value):
                raise ValueError(f"{written} is not finite")
            latents.append(reader.read(called))
            values.append(value)
        except ValueError as error:
            if number == rows[0][0] and len(row) == 2 and not SEED.fullmatch(row[0].strip()):
                continue  # the names of the columns
            raise DataError(
                f"line {number} of {path} is {','.join(row)!r:.100}; expected are a seed, "
                f"seed:index or picture, and a number: {error}"
            ) from None
    size = bundle.manifest.latent_dim
    return np.array(latents, np.float32).reshape(-1, size), np.array(values, np.float64)


class _LatentsReader:
    """Latents of seeds and pictures; pictures are relative to `folder`."""

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        self._bundle, self._folder = bundle, folder
        self._session: onnxruntime.InferenceSession | None = None

    def read(self, called: str) -> np.ndarray:
        """Latents float32 [latent_dim]; raises ValueError, DataError and OSError."""
        if match := SEED.fullmatch(called):
            seed, index = int(match[1]), int(match[2] or 0)
            if seed >= SEED_END:
                raise ValueError(f"seed is {seed}; 0 … 2^64-1 are allowed")
            return draw_latents(seed, index, 1, self._bundle.manifest.latent_dim)[0][0]
        pixels = _pixels(self._folder / called, self._bundle.manifest.image)
        (latents,) = self._encoder().run(["latents"], {"pictures": pixels[None]})
        return np.asarray(latents[0])

    def _encoder(self) -> onnxruntime.InferenceSession:
        if self._bundle.encoder is None:
            name = f"{self._bundle.manifest.name}@{self._bundle.manifest.version}"
            raise DataError(
                f"{name} has no encoder, which examples that are pictures need; give seeds, or "
                "publish one with the command encode"
            )
        if self._session is None:
            providers = ["CPUExecutionProvider"]
            self._session = onnxruntime.InferenceSession(self._bundle.encoder, providers=providers)
        return self._session


def _pixels(path: Path, image: Image) -> np.ndarray:
    """Read a picture, cropped to the middle and resized to the images of a model.

    Raises DataError for a damaged picture, and OSError.
    """
    size = (image.width, image.height)
    options = DataOptions.model_construct(size=size, channels=image.channels, upscale=True)
    form = Form(image.width, image.height, image.channels)
    content = read_file(path)
    try:
        return to_pixels(normalise(open_picture(content), options), form, options)
    except Exception as error:  # Pillow raises many kinds for damaged content
        raise DataError(f"{path} is damaged: {error}") from error
