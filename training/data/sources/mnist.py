"""The MNIST files from a public mirror, and Stacked-MNIST made of them."""

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
"""The mirror that PyTorch's own data sets use."""

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the decompressed files: a mirror may have compressed them anew."""
MAX_BYTES = 64 << 20
TIMEOUT_S = 60


def download_mnist(folder: Path, mirror: str = MIRROR) -> None:
    """Put the four IDX files, decompressed, into `folder`; files that are there already are kept.

    Raises DataError when the mirror cannot be reached or answers something else.
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
