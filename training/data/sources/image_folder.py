"""The interface of all sources of pictures (`Source`), and its implementation for folders.

The functions on names are also used for ZIP archives.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from mirage.training.data.labels import read_labels_file
from mirage.training.data.sources.image import SUFFIXES, open_picture, read_file
from mirage.training.errors import DataError

SPLITS = {"train", "test", "val", "valid", "validation"}
LABELS_FILE = "dataset.json"
"""StyleGAN's labels file; if the top folder has one, it defines the classes instead of folders."""


def is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a path has a component that is hidden or belongs to macOS archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort by code points, folder by folder: independent of the locale and the file system."""
    return sorted(names, key=lambda name: name.split("/"))


def has_splits(tops: set[str]) -> bool:
    """Whether the top folders are splits of a data set rather than classes."""
    return "train" in tops and tops <= SPLITS


def classes_of(place: str, names: Sequence[str], folders: Iterable[str]) -> list[str] | None:
    """The top folder of each picture, or None if no picture is in a folder.

    folders: all top folders. Raises DataError if only some pictures are in folders, or if a folder
    has no pictures.
    """
    tops = [name.split("/")[0] if "/" in name else None for name in names]
    if all(top is None for top in tops):
        return None
    found = [top for top in tops if top is not None]
    if len(found) < len(tops):
        raise DataError(
            f"{place} mixes images with class folders; use either, or pass --labels none"
        )
    if empty := sorted(set(folders) - set(found)):
        raise DataError(
            f"{place} has the class folder {empty[0]} without any image; "
            "remove it, or pass --labels none"
        )
    return found


@dataclass(frozen=True)
class Source:
    """Pictures that can be opened in any order and from several threads.

    place: the path or address, for messages. state: JSON values that change whenever the content
    may have changed. names: unique names of the pictures, in order. picture: opens a picture by its
    index; may raise any exception if it is broken. classes: returns the class of each picture, or
    None; raises DataError. labels_file: name and content of a labels file that came with the
    pictures. prefix: of the names in a labels file given by --labels, such as `train/` for a split.
    pixels: uint8 [N, H, W, C] if the source is an array already.
    """

    place: str
    state: Any
    names: Sequence[str]
    picture: Callable[[int], Image.Image]
    classes: Callable[[], Sequence[str] | None]
    labels_file: tuple[str, bytes] | None = None
    prefix: str = ""
    pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)


def open_folder(path: Path) -> Source:
    """Open the pictures in a folder and its subfolders; the top subfolders are classes.

    Raises DataError if there are none.
    """
    names = in_order(_pictures(path))
    if not names:
        raise DataError(f"--data is {path}; it contains neither IDX files nor images")
    labels = path / LABELS_FILE
    content = read_labels_file(labels) if labels.is_file() else None

    def picture(index: int) -> Image.Image:
        return open_picture(read_file(path / names[index]))

    return Source(
        place=str(path),
        state=[(name, *state_of(path / name)) for name in names],
        names=names,
        picture=picture,
        classes=lambda: classes_of(str(path), names, folders_of(path)),
        labels_file=(LABELS_FILE, content) if content is not None else None,
    )


def state_of(path: Path) -> tuple[int, int]:
    """Size in bytes and modification time in nanoseconds of a file."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def folders_of(path: Path) -> set[str]:
    """Names of the visible subfolders of a folder."""
    found = (entry.name for entry in path.iterdir() if entry.is_dir())
    return {name for name in found if not is_hidden(name)}


def _pictures(path: Path) -> list[str]:
    """Names of pictures relative to the folder; follows links, and each folder only once."""
    found, seen = [], {path.resolve()}
    for parent, folders, files in os.walk(path, followlinks=True):
        inside = Path(parent).relative_to(path)
        names = [(inside / file).as_posix() for file in files]
        found += [name for name in names if is_picture(name)]
        new = [name for name in folders if (Path(parent) / name).resolve() not in seen]
        seen |= {(Path(parent) / name).resolve() for name in new}
        folders[:] = [name for name in new if not is_hidden(name)]
    return found
