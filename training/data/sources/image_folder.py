"""Pictures in a folder and its subfolders."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mirage.training.data.options import AUTO
from mirage.training.data.sources.file_tree import FileTree, is_hidden, pictures_of
from mirage.training.data.sources.image import read_file
from mirage.training.data.sources.source import Source, state_of
from mirage.training.errors import DataError


def open_folder(path: Path, split: str = "train", splits: str = AUTO) -> Source:
    """Open the pictures in a folder; if it has splits, those of `split`.

    Raises DataError if there are none.
    """
    return pictures_of(list_folder(path), split, splits)


def _raise(error: OSError) -> None:
    raise DataError(f"the folder {error.filename} cannot be read: {error.strerror}") from error


def list_folder(path: Path) -> FileTree:
    """List the visible files in a folder; follows links, and each folder only once.

    Raises DataError if a folder cannot be read.
    """
    names: list[str] = []
    inside: list[str] = []
    seen = {path.resolve()}
    for parent, folders, files in os.walk(path, onerror=_raise, followlinks=True):
        here = Path(parent).relative_to(path)
        found = ((here / file).as_posix() for file in files)
        names += [name for name in found if not is_hidden(name)]
        visible = [name for name in folders if not is_hidden(name)]
        folders[:] = _first_seen(Path(parent), visible, seen)
        inside += [(here / name).as_posix() for name in folders]

    def state(chosen: Sequence[str]) -> Any:
        return [(name, state_of(path / name)) for name in chosen]

    return FileTree(
        str(path), names, inside, lambda name, limit: read_file(path / name, limit), state
    )


def _first_seen(parent: Path, folders: Iterable[str], seen: set[Path]) -> list[str]:
    """The folders that are not in `seen`, to which they are added; links count after others."""
    new = []
    for name in sorted(folders, key=lambda name: ((parent / name).is_symlink(), name)):
        real = (parent / name).resolve()
        if real not in seen:
            seen.add(real)
            new.append(name)
    return new


def only_file(path: Path) -> FileTree:
    """A single file as the only one of its folder."""

    def state(chosen: Sequence[str]) -> Any:
        return [(name, state_of(path)) for name in chosen]

    return FileTree(str(path), [path.name], [], lambda _, limit: read_file(path, limit), state)
