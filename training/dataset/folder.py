"""A folder of pictures."""

import os
from pathlib import Path

from PIL import Image

from mirage.training.dataset import tree
from mirage.training.dataset.labels import read_labels_file
from mirage.training.dataset.picture import open_picture, read_file
from mirage.training.dataset.source import Source
from mirage.training.errors import DataError


def open_folder(path: Path) -> Source:
    """The pictures in a folder and in those below it, which are their classes.

    Raises DataError when there are none.
    """
    names = tree.in_order(_pictures(path))
    if not names:
        raise DataError(f"--data is {path}; it holds neither IDX files nor images")
    labels = path / tree.LABELS_FILE
    content = read_labels_file(labels) if labels.is_file() else None

    def picture(index: int) -> Image.Image:
        return open_picture(read_file(path / names[index]))

    return Source(
        place=str(path),
        state=[(name, *state_of(path / name)) for name in names],
        names=names,
        picture=picture,
        classes=lambda: tree.classes_of(str(path), names, folders_of(path)),
        labels_file=(tree.LABELS_FILE, content) if content is not None else None,
    )


def state_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def folders_of(path: Path) -> set[str]:
    """The folders right in a folder."""
    found = (entry.name for entry in path.iterdir() if entry.is_dir())
    return {name for name in found if not tree.is_hidden(name)}


def _pictures(path: Path) -> list[str]:
    """Names relative to the folder; links are followed, but not in circles."""
    found, seen = [], {path.resolve()}
    for parent, folders, files in os.walk(path, followlinks=True):
        inside = Path(parent).relative_to(path)
        names = [(inside / file).as_posix() for file in files]
        found += [name for name in names if tree.is_picture(name)]
        new = [name for name in folders if (Path(parent) / name).resolve() not in seen]
        seen |= {(Path(parent) / name).resolve() for name in new}
        folders[:] = [name for name in new if not tree.is_hidden(name)]
    return found
