"""An on-disk cache of decoded data sets, with one folder per source and data options.

datasets/<key>/   images.npy  labels.npy  dataset.json   (labels.npy only with classes)
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy

from mirage.bundle.store.durable import replace_durably, sync_file, sync_folder
from mirage.training.cache_folder import default_cache
from mirage.training.data.dataset import Dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError

SPARE_BYTES = 64 << 20
"""Kept free on the disk beside the decoded images."""


def cached(
    key: str, options: DataOptions, cache: Path | None, build: Callable[[Path], None]
) -> Dataset:
    """Return the data set stored under `key`; call `build` with an empty folder if there is none.

    Other processes that need the same key wait for the build. An interrupted build is never read.
    Raises DataError if the folder cannot be written or the disk is full.
    """
    folder = (cache or default_cache()) / "datasets" / key
    with _locked(folder):
        dataset = _read(folder, options)
        if dataset is None:
            _build(folder, build)
            dataset = _read(folder, options)
    if dataset is None:
        raise DataError(f"{folder} cannot be read back after it was written")
    return dataset


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(folder: Path, options: DataOptions) -> Dataset | None:
    """Read a data set; return None if it is missing or damaged."""
    try:
        summary = json.loads((folder / "dataset.json").read_text())
        labels = folder / "labels.npy"
        return Dataset(
            images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
            labels=np.load(labels, allow_pickle=False) if labels.exists() else None,
            classes=tuple(summary["classes"]),
            fingerprint=summary["fingerprint"],
            options=options,
            broken=len(summary["broken"]),
            left_out=tuple(name for name, _ in summary["broken"]),
        )
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    """Build in a temporary folder, then rename it; remains of earlier builds are removed first."""
    draft = folder.with_name(f".building-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        draft.mkdir()
        build(draft)
        for file in draft.iterdir():
            sync_file(file)
        sync_folder(draft)
        replace_durably(draft, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"the decoded images cannot be stored in {folder.parent}: {error.strerror or error}; "
        "set $XDG_CACHE_HOME to use another folder"
    )


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise DataError unless the disk has `needed_bytes` free, plus `SPARE_BYTES`."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + SPARE_BYTES:
        raise DataError(
            f"the decoded images need {needed_bytes / 1e9:.2f} GB in {folder.parent}, where "
            f"{free / 1e9:.2f} GB are free; set $XDG_CACHE_HOME to use another folder"
        )


class ArrayWriter:
    """Writes a .npy file uint8 [N, …] whose length N is not known in advance.

    Uses plain writes rather than a memory map: on a full disk a write raises OSError, but a memory
    map kills the process with SIGBUS.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.count = 0
        self._file = path.open("wb")
        self._write_header()
        self._begin = self._file.tell()

    def append(self, items: np.ndarray) -> None:
        """Append items uint8 [n, …]."""
        self._file.write(np.ascontiguousarray(items).data)
        self.count += len(items)

    def _write_header(self) -> None:
        """Write the header at the current position; NumPy pads it so that N can grow in place."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        npy.write_array_header_1_0(self._file, header)

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
                self._write_header()
                if self._file.tell() != self._begin:
                    raise RuntimeError("NumPy changed the length of the header")
                self._file.flush()
                os.fsync(self._file.fileno())
