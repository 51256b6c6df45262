"""Images and their mirror images as one array, of which only the first half is stored."""

from typing import Any

import numpy as np


class MirroredImages:
    """uint8 [2 N, H, W, C] over stored images [N, H, W, C]; is read as a NumPy array is.

    The first index may be an integer, a slice, or an array of integers or booleans. What it
    answers is a copy in memory.
    """

    def __init__(self, stored: np.ndarray) -> None:
        self.stored = stored
        self.shape = (2 * len(stored), *stored.shape[1:])
        self.dtype = stored.dtype
        self.ndim = stored.ndim
        self.nbytes = 2 * stored.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        places = self._places(first)
        images = np.array(self.stored[places % len(self.stored)])
        mirrored = places >= len(self.stored)
        images[mirrored] = images[mirrored, :, ::-1]
        kept = 0 if np.ndim(first) == 0 and not isinstance(first, slice) else slice(None)
        return images[(kept, *rest)]

    def _places(self, first: Any) -> np.ndarray:
        """The images that are meant, int64 [M], counted from the first."""
        if isinstance(first, slice):
            return np.arange(*first.indices(len(self)))
        places = np.atleast_1d(np.asarray(first))
        if places.dtype == bool:
            return np.flatnonzero(places)
        places = np.where(places < 0, places + len(self), places)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"there are {len(self)} images; {first} is outside of them")
        return places.astype(np.int64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("mirrored images are made as they are read, so they are copies")
        return self[:].astype(dtype or self.dtype, copy=False)
