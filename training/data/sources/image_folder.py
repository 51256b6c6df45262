"""What every kind of data offers (`Source`), and the simplest kind: a folder of pictures.

Which files are pictures, in which order and of which class holds for ZIP archives, too.
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
"""StyleGAN's labels file; where it lies in the outermost folder, folders are no classes."""


def is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a file or a folder above it is one that its owner does not see."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def in_order(names: Iterable[str]) -> list[str]:
    """By code points, folder by folder: the same everywhere."""
    return sorted(names, key=lambda name: name.split("/"))


def has_splits(tops: set[str]) -> bool:
    """Whether the outermost folders are parts of a data set rather than classes."""
    return "train" in tops and tops <= SPLITS


def classes_of(place: str, names: Sequence[str], folders: Iterable[str]) -> list[str] | None:
    """The outermost folder of each picture; None when there are no folders.

    folders: all the outermost ones. Raises DataError when only some of the pictures lie in one, and
    for a folder without pictures.
    """
    tops = [name.split("/")[0] if "/" in name else None for name in names]
    if all(top is None for top in tops):
        return None
    found = [top for top in tops if top is not None]
    if len(found) < len(tops):
        raise DataError(
            f"{place} mixes images with class folders; use either, or say --labels none"
        )
    if empty := sorted(set(folders) - set(found)):
        raise DataError(
            f"{place} holds the class folder {empty[0]} without any image; "
            "remove it, or say --labels none"
        )
    return found


@dataclass(frozen=True)
class Source:
    """Pictures that can be opened in any order and by several threads at once.

    place: what it is, for messages. state: changes whenever what it holds may have. names: of the
    pictures, in order, unique. picture: opens one by its number and raises anything at all when it
    is broken. classes: answers the class of each picture, or None; raises DataError. labels_file:
    one that came with the pictures: its name and content. prefix: what stands before the names in
    a labels file of somebody's own; `train/` where a split is meant. pixels: uint8 [N, H, W, C]
    where they need no decoding.
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
    """The pictures in a folder and in those below it, which are their classes.

    Raises DataError when there are none.
    """
    names = in_order(_pictures(path))
    if not names:
        raise DataError(f"--data is {path}; it holds neither IDX files nor images")
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
    """Size and time of the last change in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def folders_of(path: Path) -> set[str]:
    """The folders right in a folder."""
    found = (entry.name for entry in path.iterdir() if entry.is_dir())
    return {name for name in found if not is_hidden(name)}


def _pictures(path: Path) -> list[str]:
    """Names relative to the folder; links are followed, but not in circles."""
    found, seen = [], {path.resolve()}
    for parent, folders, files in os.walk(path, followlinks=True):
        inside = Path(parent).relative_to(path)
        names = [(inside / file).as_posix() for file in files]
        found += [name for name in names if is_picture(name)]
        new = [name for name in folders if (Path(parent) / name).resolve() not in seen]
        seen |= {(Path(parent) / name).resolve() for name in new}
        folders[:] = [name for name in new if not is_hidden(name)]
    return found
