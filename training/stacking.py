"""Stacked-MNIST as a file: every colour channel is a digit, drawn by chance."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from mirage.bundle.durable import replace_durably, sync_file
from mirage.training.dataset import Dataset
from mirage.training.errors import DataError, UsageError

IMAGES = 120_000
"""As many as DDGAN took; 2e14 are possible."""
BLOCK = 4096


def write_stacked(path: Path, digits: Dataset, count: int, seed: int) -> None:
    """Write `count` triples as uint8 [count, H, W, 3]: beside, then renamed.

    The same digits, count and seed give the same file. Raises DataError for digits that are not
    grey, UsageError for a name or numbers that make no sense.
    """
    if digits.images.shape[3] != 1:
        raise DataError(f"the digits have {digits.images.shape[3]} channels; grey ones have 1")
    if count < 1 or seed < 0:
        raise UsageError(f"--images is {count} and --seed {seed}; from 1 and from 0 on are allowed")
    if path.suffix != ".npy":
        raise UsageError(f"the file is {path}; its name must end in .npy")
    chosen = triples_of(len(digits), count, seed)
    draft = path.with_name(f".{path.name}")
    shape = (count, *digits.images.shape[1:3], 3)
    try:
        stacked = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        for start in tqdm(range(0, count, BLOCK), desc="stacking", unit="block", leave=False):
            rows = slice(start, start + BLOCK)
            stacked[rows] = np.moveaxis(digits.images[chosen[rows]][..., 0], 1, 3)
        stacked.flush()
        sync_file(draft)
        replace_durably(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def triples_of(digits: int, count: int, seed: int) -> np.ndarray:
    """Indices int64 [count, 3] of digits, each drawn by chance."""
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.integers(digits, size=(count, 3))
