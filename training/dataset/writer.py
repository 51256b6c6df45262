"""An array that grows on the disk: images that do not fit into memory, written as they come."""

import os
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy


class ArrayWriter:
    """A .npy file of uint8 [N, …] of which N is known only at the end.

    It is written with plain writes: on a full disk those raise OSError, where a mapped file would
    have the process killed.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.count = 0
        self._file = path.open("wb")
        self._header()
        self._begin = self._file.tell()

    def append(self, items: np.ndarray) -> None:
        """Add uint8 [n, …]."""
        self._file.write(np.ascontiguousarray(items).data)
        self.count += len(items)

    def _header(self) -> None:
        """NumPy pads headers so that a larger N takes no more room."""
        form = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        npy.write_array_header_1_0(self._file, form)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._file.seek(0)
                self._header()
                if self._file.tell() != self._begin:
                    raise RuntimeError("NumPy changed the length of the header")
                self._file.flush()
                os.fsync(self._file.fileno())
