"""Images on disk -> one decoded uint8 cache; knows files and pixels, nothing of networks.

Sources: a folder with the four standard IDX files, an IDX image file, or a folder of images whose
subfolders, if any, are the classes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from training.errors import DataError
from training.idx import read_idx

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
Decoded = tuple[np.ndarray, np.ndarray | None, list[str]]
MAX_BROKEN_SHARE = 0.01
"""More unreadable images than this share stop the run: then the folder is not what one thinks."""


@dataclass(frozen=True)
class Dataset:
    """Decoded images, with the classes they belong to.

    images: uint8 [N, H, W, C], memory-mapped. labels: int64 [N], or None without classes.
    classes: class names in code-point order. fingerprint: sha256 of everything above.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.images)


def default_cache() -> Path:
    """The folder for decoded data: mirage/ in the user's cache folder ($XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mirage"


def load_dataset(
    path: Path, split: str = "train", channels: int | None = None, cache: Path | None = None
) -> Dataset:
    """Decode `path` once and map the result.

    split: "train" or "test"; only IDX folders have both. channels: 1, 3 or 4; None keeps what the
    first image has. Raises DataError when there is nothing to read or too much of it is broken.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"--data is {path}; there is no such file or folder")
    idx = _find_idx(path, split)
    files = [idx, _labels_of(idx)] if idx else _image_files(path)
    key = _source_key(path, files, channels)
    folder = (cache or default_cache()) / "datasets" / key
    if not (folder / "dataset.json").exists():
        _build(folder, lambda: _decode_idx(idx) if idx else _decode_folder(path, files, channels))
    return _open(folder)


def _open(folder: Path) -> Dataset:
    meta = json.loads((folder / "dataset.json").read_text())
    labels = folder / "labels.npy"
    return Dataset(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.load(labels) if labels.exists() else None,
        classes=tuple(meta["classes"]),
        fingerprint=meta["fingerprint"],
    )


def _build(folder: Path, decode: Callable[[], Decoded]) -> None:
    """Write beside, then rename, so that a killed build leaves nothing that looks complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        images, labels, classes = decode()
        np.save(draft / "images.npy", images)
        if labels is not None:
            np.save(draft / "labels.npy", labels)
        meta = {"classes": classes, "fingerprint": fingerprint(images, labels, classes)}
        (draft / "dataset.json").write_text(json.dumps(meta, indent=2))
        if not folder.exists():
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fingerprint(images: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> str:
    """sha256 over shape, pixels, labels and class names: what the networks will see."""
    digest = hashlib.sha256(repr((images.shape, list(classes))).encode())
    for start in range(0, len(images), 4096):
        digest.update(images[start : start + 4096].tobytes())
    if labels is not None:
        digest.update(labels.tobytes())
    return digest.hexdigest()


def _source_key(path: Path, files: Sequence[Path], channels: int | None) -> str:
    digest = hashlib.sha256(repr((str(path.resolve()), channels)).encode())
    for file in files:
        stat = file.stat()
        digest.update(repr((str(file), stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


# IDX files (MNIST and its relatives)


def _find_idx(path: Path, split: str) -> Path | None:
    if path.is_file():
        return path
    prefix = {"train": "train", "test": "t10k"}[split]
    for name in (f"{prefix}-images-idx3-ubyte", f"{prefix}-images.idx3-ubyte"):
        for file in (path / name, path / f"{name}.gz"):
            if file.exists():
                return file
    return None


def _labels_of(images: Path) -> Path:
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    for file in (labels, labels.with_name(f"{labels.name}.gz"), labels.with_suffix("")):
        if file.exists() and file != images:
            return file
    raise DataError(f"{images} has no labels: expected {labels.name} beside it")


def _decode_idx(path: Path) -> Decoded:
    images, labels = read_idx(path), read_idx(_labels_of(path))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{path.name} holds {images.shape} and its labels {labels.shape}; "
            "expected [N, height, width] and [N]"
        )
    classes = sorted({str(value) for value in np.unique(labels)})
    index_of = np.zeros(256, np.int64)
    for index, name in enumerate(classes):
        index_of[int(name)] = index
    return images[..., None], index_of[labels], classes


# Image folders


def _image_files(path: Path) -> list[Path]:
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"--data is {path}; it holds neither IDX files nor images")
    return files


def _decode_folder(path: Path, files: Sequence[Path], channels: int | None) -> Decoded:
    decoded = list(_decoded(path, files, channels))
    broken = len(files) - len(decoded)
    if broken > MAX_BROKEN_SHARE * len(files):
        raise DataError(
            f"{broken} of {len(files)} images in {path} cannot be read; "
            f"at most {MAX_BROKEN_SHARE:.0%} may be broken"
        )
    images = np.stack([image for _, image in decoded])
    kept = [file for file, _ in decoded]
    labels, classes = _labels_from_folders(path, kept)
    return images, labels, classes


def _decoded(
    path: Path, files: Sequence[Path], channels: int | None
) -> Iterator[tuple[Path, np.ndarray]]:
    shape = None
    mode = MODE_OF_CHANNELS[channels] if channels else _first_mode(files)
    for file in tqdm(files, desc="decoding", unit="img"):
        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert(mode))
        except (OSError, UnidentifiedImageError, ValueError) as error:
            tqdm.write(f"skipped {file.relative_to(path)}: {error}")
            continue
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        shape = shape or pixels.shape
        if pixels.shape != shape:
            raise DataError(
                f"{file.relative_to(path)} is {pixels.shape[1]}x{pixels.shape[0]}, the images "
                f"before it {shape[1]}x{shape[0]}; all images must have one size"
            )
        yield file, pixels


def _first_mode(files: Sequence[Path]) -> str:
    """Grey, RGB or RGBA: what the first image that can be read is."""
    for file in files:
        with contextlib.suppress(OSError), Image.open(file) as image:
            if image.mode in ("L", "1", "I;16"):
                return "L"
            return "RGBA" if image.has_transparency_data else "RGB"
    raise DataError(f"none of the {len(files)} images can be read")


def _labels_from_folders(path: Path, files: Sequence[Path]) -> tuple[np.ndarray | None, list[str]]:
    parents = [file.relative_to(path).parts[0] for file in files]
    if all(len(file.relative_to(path).parts) == 1 for file in files):
        return None, []
    if any(len(file.relative_to(path).parts) == 1 for file in files):
        raise DataError(f"{path} mixes images with class folders; use either")
    classes = sorted(set(parents))
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[name] for name in parents], np.int64), classes
