"""The interface of all sources of data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirage.training.data.options import DataOptions
from mirage.training.media.images import Images
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens


@dataclass(frozen=True)
class Written:
    """What a `Writer` made: the medium of the samples, and notes for people.

    broken: (index, reason) of each item that is left out.
    """

    medium: Images | Sound | Tokens
    broken: list[tuple[int, str]]
    notes: tuple[str, ...] = ()


Writer = Callable[["Source", Path, DataOptions, int | None], Written]
"""Writes the stored samples of a source to a .npy file, with so many threads; raises DataError."""


@dataclass(frozen=True)
class Source:
    """Pictures that can be opened in any order and from several threads.

    place: the path or address, for messages. state: JSON values that change whenever the content
    may have changed. names: unique names of the pictures, in order. picture: opens a picture by its
    index; may raise any exception if it is broken. classes: returns the class of each picture, or
    None; raises DataError. labels_file: name and content of a labels file that came with the
    pictures. prefix: folder of the pictures in the data, such as `train/` for a split; labels files
    may name pictures with it. others: folders whose pictures a labels file may name too. pixels:
    uint8 [N, H, W, C] if the source is an array already. header: as `picture`, but the pixels need
    not be readable; None if that is not cheaper. notes: what was found, as sentences for people.
    is_table: whether the option `labels` is the name of a column. write: writes the samples of a
    source that holds no pictures; `noun` says what it holds.
    """

    place: str
    state: Any
    names: Sequence[str]
    picture: Callable[[int], Image.Image]
    classes: Callable[[], Sequence[str] | None]
    labels_file: tuple[str, bytes] | None = None
    prefix: str = ""
    others: tuple[str, ...] = ()
    pixels: np.ndarray | None = None
    header: Callable[[int], Image.Image] | None = None
    notes: tuple[str, ...] = ()
    is_table: bool = False
    write: Writer | None = None
    noun: str = "images"

    def __len__(self) -> int:
        return len(self.names)


def state_of(path: Path) -> tuple[int, int] | None:
    """Size in bytes and modification time in nanoseconds of a file; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
