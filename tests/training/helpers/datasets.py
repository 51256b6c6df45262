"""Small data for the training tests: shapes that a network learns in seconds."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from mirage.training.data.dataset import Dataset, fingerprint


def shapes(count: int = 96, side: int = 8, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares of random position and size; the class is the half with the square."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, side, side, channels), np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    for image, label in zip(images, labels, strict=True):
        top, size = rng.integers(0, side - 3), rng.integers(2, 4)
        left = label * side // 2
        image[top : top + size, left : left + size] = rng.integers(128, 256)
    return images, labels


def shapes_dataset(side: int = 8, channels: int = 1) -> Dataset:
    images, labels = shapes(side=side, channels=channels)
    classes = ("left", "right")
    return Dataset(images, labels, classes, fingerprint(images, labels, classes))


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write uint8 of any shape as IDX, compressed if the name ends in .gz."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_idx_folder(folder: Path, count: int = 20, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    images, labels = shapes(count, side)
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images[..., 0])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return images, labels


def write_image_folder(folder: Path, count: int = 8, channels: int = 3) -> np.ndarray:
    """Write PNG files to the class folders `left` and `right`; returns the images."""
    images, labels = shapes(count, 8, channels)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / ("left", "right")[label]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(target / f"{number:03}.png")
    return images


TINY = {
    "widths": [16, 8],
    "hidden": 16,
    "latent_dim": 8,
    "batch_size": 8,
    "precision": "float32",
    "status_kimg": 0.016,
    "snapshot_kimg": 0.032,
    "checkpoint_kimg": 0.016,
}
"""Changes to a preset that make a run take a second."""


def tiny_flags() -> list[str]:
    """The preset mnist with TINY as command-line flags."""
    values = {
        key: ",".join(map(str, value)) if isinstance(value, list) else value
        for key, value in TINY.items()
    }
    changes = [text for key, value in values.items() for text in ("--set", f"{key}={value}")]
    return ["--preset", "mnist", *changes]
