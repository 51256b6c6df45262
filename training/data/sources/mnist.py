"""Download of MNIST from a public mirror, and generation of Stacked-MNIST."""

import gzip
import hashlib
import urllib.request
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mirage.bundle.store.durable import replace_durably, replace_file, sync_file
from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError, UsageError

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
"""The mirror that torchvision uses."""

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the decompressed files, because mirrors may compress them differently."""
MAX_BYTES = 64 << 20
"""Decompressed bytes read per file; the largest has 47 MB."""
TIMEOUT_S = 60


def download_mnist(folder: Path, mirror: str = MIRROR) -> None:
    """Download and decompress the four IDX files into `folder`; intact existing files are kept.

    Raises DataError if the mirror cannot be reached or a file has another hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, sha256 in tqdm(SHA256.items(), desc="MNIST", unit="file"):
        path = folder / name
        if path.exists() and _hash(path.read_bytes()) == sha256:
            continue
        content = _fetch(f"{mirror}/{name}.gz")
        if _hash(content) != sha256:
            raise DataError(f"{name} from {mirror} has sha256 {_hash(content)}, not {sha256}")
        replace_file(path, content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fetch(url: str) -> bytes:
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,
            gzip.GzipFile(fileobj=answer) as file,
        ):
            return file.read(MAX_BYTES)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{url} cannot be downloaded: {error}") from error


IMAGES = 120_000
"""Default number of images, following DDGAN; 2e14 different ones are possible."""
BLOCK = 4096
"""Images written at a time."""


def write_stacked(path: Path, digits: Dataset, count: int, seed: int) -> None:
    """Write `count` random triples of digits as channels: uint8 [count, H, W, 3] in a .npy file.

    The same digits, count and seed give the same file. The file is replaced atomically. Raises
    DataError for digits that are not grey, and UsageError for arguments out of range.
    """
    if digits.images.shape[3] != 1:
        raise DataError(f"the digits have {digits.images.shape[3]} channels; expected 1 (grey)")
    if count < 1 or seed < 0:
        raise UsageError(f"--images is {count} and --seed {seed}; at least 1 and 0 are allowed")
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
    """Independent uniform indices of digits: int64 [count, 3]."""
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.integers(digits, size=(count, 3))
