"""A blind test for people: a sheet of real and generated images, its key, and neighbours."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.samples import generate_images, proportional_labels
from mirage.training.evaluation.scores.memorisation import appearance
from mirage.training.evaluation.scores.metrics import find_nearest
from mirage.training.evaluation.scores.sliced_wasserstein import over_white
from mirage.training.media.pixels import to_grey_levels

EACH = 20
"""Number of real images on the sheet, and of generated ones."""
COPIES, NEIGHBOURS = 8, 3
COLUMNS = 8
CELL = 128
"""Least number of pixels of an image's longer side; images are enlarged by whole factors."""
GAP, CAPTION = 12, 18
PAPER = (200, 200, 200)


@dataclass(frozen=True)
class BlindSheet:
    """sheet: all images, numbered from 1. key: the numbers of the real and the generated images.
    neighbours: eight generated images of the sheet, each with its three nearest training images."""

    sheet: Image.Image
    key: dict[str, Any]
    neighbours: Image.Image


def blind_sheet(model: bytes, data: Dataset, seed: int = 0) -> BlindSheet:
    """Draw twenty images of an ONNX graph and twenty of the data in random order.

    seed: selects the real images, the generated images (seeds 20 * seed to 20 * seed + 19, with
    labels in the data's proportions) and the order. The eight images with neighbours are the ones
    closest to a training image. Raises DataError for other media, if there are fewer than twenty
    images, or if they have another shape than the model's.
    """
    if data.medium.meaning != "images":
        raise DataError(f"--data holds {data.medium.noun}; a blind sheet takes images")
    rng = np.random.Generator(np.random.Philox(seed))
    if len(data) < EACH:
        raise DataError(f"--data holds {len(data)} images; a blind sheet takes {EACH}")
    real = data.images[np.sort(rng.choice(len(data), EACH, replace=False))]
    labels = None if data.labels is None else proportional_labels(data.labels, EACH)
    made = generate_images(model, EACH, labels, seed * EACH)
    if made.shape[1:] != real.shape[1:]:
        raise DataError(
            f"the model makes images {made.shape[1:]} and the data are {real.shape[1:]}"
        )
    place = rng.permutation(2 * EACH)  # of each image, generated images first
    images = np.concatenate([made, real])[np.argsort(place)]
    numbers = (place + 1).tolist()
    key = {
        "generated": sorted(numbers[:EACH]),
        "real": sorted(numbers[EACH:]),
        "seed": seed,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "data_fingerprint": data.fingerprint,
    }
    captions = [str(number) for number in range(1, 2 * EACH + 1)]
    return BlindSheet(_drawn(images, captions), key, _neighbours(made, numbers, data))


def _neighbours(made: np.ndarray, numbers: Sequence[int], data: Dataset) -> Image.Image:
    shown, originals = data.images, len(data.original)
    distances, found = find_nearest(appearance(made), appearance(shown), 2 * NEIGHBOURS)
    closest = np.argsort(distances[:, 0], kind="stable")[:COPIES]
    rows = [
        np.concatenate([made[[place]], shown[_different(found[place], originals)]])
        for place in closest
    ]
    captions = [
        text for place in closest for text in (f"generated {numbers[place]}", "nearest", "", "")
    ]
    return _drawn(np.concatenate(rows), captions)


def _different(places: np.ndarray, originals: int) -> np.ndarray:
    """The first three indices int64 [3] of six that are not mirror images of earlier ones."""
    _, first = np.unique(places % originals, return_index=True)
    return places[np.sort(first)[:NEIGHBOURS]]


def _drawn(images: np.ndarray, captions: Sequence[str]) -> Image.Image:
    """Draw images uint8 [N, H, W, C] over white in rows of eight, each with a caption above."""
    height, width = images.shape[1:3]
    scale = max(1, math.ceil(CELL / max(height, width)))
    step_x, step_y = scale * width + GAP, scale * height + CAPTION + GAP
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * step_x + GAP, rows * step_y + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION - 4)
    for place, (image, caption) in enumerate(zip(_opaque(images), captions, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = GAP + column * step_x, GAP + row * step_y
        draw.text((left, top), caption, fill="black", font=font)
        size = scale * width, scale * height
        enlarged = Image.fromarray(image).resize(size, Image.Resampling.NEAREST)
        sheet.paste(enlarged, (left, top + CAPTION))
    return sheet


def _opaque(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> uint8 [N, H, W, 3], over white."""
    colours = images.repeat(3, axis=3) if images.shape[3] == 1 else images
    return to_grey_levels(over_white(colours) * 2 - 1).contiguous().numpy()
