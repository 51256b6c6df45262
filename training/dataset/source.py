"""What every kind of data offers: pictures in a fixed order, and what is said of their classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


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
