"""Decoded data on the disk, one folder for each source and way of reading it.

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
from mirage.training.data.dataset import Dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError

SPARE_BYTES = 64 << 20


def default_cache() -> Path:
    """The folder for decoded data: mirage/ in the user's cache folder ($XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mirage"


def cached(
    key: str, options: DataOptions, cache: Path | None, build: Callable[[Path], None]
) -> Dataset:
    """The data of that key; `build` writes them into an empty folder if they are not there.

    Others who want them too wait meanwhile. A killed or failed build leaves nothing that looks
    complete. Raises DataError when the disk is full.
    """
    folder = (cache or default_cache()) / "datasets" / key
    with _locked(folder):
        dataset = _read(folder, options)
        if dataset is None:
            _build(folder, build)
            dataset = _read(folder, options)
    if dataset is None:
        raise DataError(f"{folder} cannot be read again right after it was written")
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
    """None when it is not there, or damaged."""
    try:
        sheet = json.loads((folder / "dataset.json").read_text())
        labels = folder / "labels.npy"
        return Dataset(
            images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
            labels=np.load(labels, allow_pickle=False) if labels.exists() else None,
            classes=tuple(sheet["classes"]),
            fingerprint=sheet["fingerprint"],
            options=options,
            broken=len(sheet["broken"]),
            left_out=tuple(name for name, _ in sheet["broken"]),
        )
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    """Write beside, then rename; what an earlier build left is removed first."""
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
        f"the decoded images cannot be kept in {folder.parent}: {error.strerror or error}; "
        "$XDG_CACHE_HOME says where else"
    )


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise DataError when the disk of a folder has not as many bytes left, and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + SPARE_BYTES:
        raise DataError(
            f"the decoded images need {needed_bytes / 1e9:.2f} GB in {folder.parent}, where "
            f"{free / 1e9:.2f} GB are free; $XDG_CACHE_HOME says where else"
        )


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
