"""What stands behind --data: which kind of data a path or an address is."""

from dataclasses import replace
from pathlib import Path

from mirage.training.dataset import tree
from mirage.training.dataset.archive import open_archive
from mirage.training.dataset.arrays import find_idx, open_idx, open_npy, open_npz
from mirage.training.dataset.folder import folders_of, open_folder
from mirage.training.dataset.hub import PREFIX, open_hub
from mirage.training.dataset.options import AUTO
from mirage.training.dataset.source import Source
from mirage.training.errors import DataError

SPLIT_FILES = (".zip", ".npy", ".npz")


def open_source(data: str, split: str, labels: str = AUTO) -> Source:
    """The pictures behind --data; of `split` ("train" or "test") where it has splits, else all.

    Raises DataError when there is nothing to read.
    """
    if data.startswith(PREFIX):
        return open_hub(data, split, labels)
    path = Path(data)
    if path.is_dir():
        return _open_folder(path, split)
    if not path.exists():
        raise DataError(f"--data is {path}; there is no such file or folder")
    return _open_file(path, split)


def _open_folder(path: Path, split: str) -> Source:
    if part := _part(path, split):
        inner = open_folder(part) if part.is_dir() else _open_file(part, split)
        return replace(inner, prefix=f"{part.stem}/")
    if idx := find_idx(path, split) or find_idx(path, "train"):
        return open_idx(idx)
    return open_folder(path)


def _part(path: Path, split: str) -> Path | None:
    """The folder or file of a split in a folder that has splits; train's when there is no other."""
    suffixes = [suffix for suffix in SPLIT_FILES if (path / f"train{suffix}").is_file()]
    if tree.has_splits(folders_of(path)):
        suffixes.insert(0, "")
    for suffix in suffixes[:1]:
        part = path / f"{split}{suffix}"
        return part if part.exists() else path / f"train{suffix}"
    return None


def _open_file(path: Path, split: str) -> Source:
    match path.suffix.lower():
        case ".zip":
            return open_archive(path, split)
        case ".npz":
            return open_npz(path, split)
        case ".npy":
            return open_npy(path)
        case _:
            return open_idx(path)
