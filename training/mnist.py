"""The standard MNIST files from a public mirror, pinned by the hash of what they hold."""

import gzip
import hashlib
import urllib.request
from pathlib import Path

from tqdm import tqdm

from mirage.bundle.durable import replace_file
from mirage.training.errors import DataError

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
