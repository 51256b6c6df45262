"""Names of files in folders, on a disk or in an archive: which are pictures, and of which class."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mirage.training.dataset.picture import SUFFIXES
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
