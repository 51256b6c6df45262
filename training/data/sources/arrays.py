"""Images stored as arrays: NumPy's .npy and .npz files, and IDX files."""

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirage.training.data.sources.source import Source, state_of
from mirage.training.errors import DataError

UNSIGNED_BYTE = 0x08
MAX_IDX_BYTES = 1 << 32
"""Decompressed bytes read of an IDX file; bounds gzip bombs."""


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, optionally gzip-compressed: uint8 of any shape.

    Raises DataError naming the file if it is not IDX, has another type, or is truncated.
    """
    raw = _read(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTE:
        raise DataError(f"{path.name} begins with {raw[:4].hex()}; IDX of bytes begins with 000008")
    dimensions = raw[3]
    header = 4 + 4 * dimensions
    if dimensions < 1 or len(raw) < header:
        raise DataError(f"{path.name} is truncated in its header ({len(raw)} bytes)")
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise DataError(
            f"{path.name} declares {math.prod(shape)} bytes {shape} but has {len(raw) - header}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            return file.read(MAX_IDX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error


MAX_ARRAY_BYTES = 4 << 30
"""Of one array in an .npz file, which is read into memory; .npy files are mapped and unbounded."""
PAIRS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"), ("images", "labels"), ("arr_0", "arr_1"))
"""Names of images and labels in .npz files, in order of preference."""
IDX_PREFIX = {"train": "train", "test": "t10k"}


def open_npy(path: Path) -> Source:
    """Memory-map a .npy file uint8 [N, H, W] or [N, H, W, C]; it has no classes."""
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy raises many types for damaged headers
        raise DataError(f"{path} is no NumPy array: {error}") from error
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path} contains several arrays; rename it to .npz")
    return _source(path, state_of(path), images, lambda: None)


def open_npz(path: Path, split: str) -> Source:
    """Read images, and labels if present, from an .npz file; prefers arrays named for `split`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            sizes = {Path(info.filename).stem: info.file_size for info in stored.zip.infolist()}
            images_name, labels_name = _chosen(path, list(sizes), split)
            if sizes[images_name] > MAX_ARRAY_BYTES:
                raise ValueError(f"{images_name} has {sizes[images_name]} bytes; use an .npy file")
            images = stored[images_name]
    except Exception as error:  # as above; np.load also returns plain arrays, which have no `zip`
        raise DataError(f"{path} cannot be used as .npz: {error}") from error
    state = (state_of(path), images_name)

    def classes() -> Sequence[str] | None:
        if labels_name not in sizes:
            return None
        return _classes(path, images, _read_labels(path, labels_name))

    return _source(path, state, images, classes)


def _read_labels(path: Path, name: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored[name]
    except Exception as error:  # as above
        raise DataError(
            f"the array {name} in {path} cannot be read: {error}; store integers or strings, or "
            "pass --labels none"
        ) from error


def _chosen(path: Path, names: Sequence[str], split: str) -> tuple[str, str]:
    for wanted in dict.fromkeys((split, "train")):
        for images, labels in PAIRS:
            if images.format(wanted) in names:
                return images.format(wanted), labels.format(wanted)
    allowed = ", ".join(images.format(split) for images, _ in PAIRS)
    raise ValueError(f"it contains {', '.join(names) or 'nothing'}; name the images {allowed}")


def is_idx(name: str) -> bool:
    """Whether a file has a standard name of IDX images."""
    return any(
        name.rpartition("/")[2].removesuffix(".gz") in _idx_names(split) for split in IDX_PREFIX
    )


def _idx_names(split: str) -> tuple[str, str]:
    prefix = IDX_PREFIX[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-images.idx3-ubyte"


def find_idx(path: Path, split: str) -> Path | None:
    """The IDX file of images with a standard name in a folder, or None."""
    for name in _idx_names(split):
        for file in (path / name, path / f"{name}.gz"):
            if file.exists():
                return file
    return None


def open_idx(path: Path) -> Source:
    """Read an IDX file of images; its labels file is read only when classes are requested."""
    images = read_idx(path)
    labels = _labels_beside(path)
    state = (state_of(path), labels and state_of(labels))

    def classes() -> Sequence[str] | None:
        if labels is None:
            expected = path.name.replace("images", "labels").replace("idx3", "idx1")
            raise DataError(
                f"{path} has no labels: add {expected} beside it, or pass --labels none"
            )
        return _classes(path, images, read_idx(labels))

    return _source(path, state, images, classes)


def _labels_beside(images: Path) -> Path | None:
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    for file in (labels, labels.with_name(f"{labels.name}.gz"), labels.with_suffix("")):
        if file.is_file() and file != images:
            return file
    return None


def _classes(path: Path, images: np.ndarray, labels: np.ndarray | None) -> Sequence[str] | None:
    """The class of each image from labels [N] or [N, 1], or one-hot rows [N, classes]."""
    if labels is None:
        return None
    shape, numbers = labels.shape, labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        numbers = labels[:, 0]
    elif _is_one_hot(labels):
        numbers = labels.argmax(1)
    if numbers.dtype.kind in "bf" and np.array_equal(numbers, numbers.round()):
        numbers = numbers.astype(np.int64)  # pandas and Keras write classes as floats
    if numbers.ndim != 1 or len(numbers) != len(images) or numbers.dtype.kind not in "iuU":
        raise DataError(
            f"{path.name} has images {images.shape} and labels {shape} {labels.dtype}; "
            "expected images [N, height, width] or [N, height, width, C] and labels [N] of "
            "whole numbers or strings, or one-hot rows [N, classes]; or pass --labels none"
        )
    return [str(label) for label in numbers.tolist()]


def _is_one_hot(labels: np.ndarray) -> bool:
    return (
        labels.ndim == 2
        and labels.dtype.kind in "biuf"
        and bool(np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())
    )


def _source(
    path: Path, state: Any, images: np.ndarray, classes: Callable[[], Sequence[str] | None]
) -> Source:
    pixels = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3, 4):
        hint = "; channels come last" if images.ndim == 4 and images.shape[1] in (1, 3, 4) else ""
        hint += "; scale floats to 0 to 255 and round them" if images.dtype.kind == "f" else ""
        raise DataError(
            f"{path.name} has images {images.dtype} {images.shape}; expected uint8 "
            f"[N, height, width] or [N, height, width, 1, 3 or 4]{hint}"
        )
    if 0 in pixels.shape:
        raise DataError(f"{path.name} has shape {images.shape} and so no images")
    single = pixels.shape[3] == 1
    return Source(
        place=str(path),
        state=state,
        names=[str(number) for number in range(len(pixels))],
        picture=lambda index: Image.fromarray(pixels[index, ..., 0] if single else pixels[index]),
        classes=classes,
        pixels=pixels,
    )
