"""An on-disk cache of decoded data sets, with one folder per source and data options.

datasets/<key>/   images.npy  labels.npy  dataset.json   (labels.npy only with classes)
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy
from pydantic import TypeAdapter, ValidationError

from mirage.bundle.format.interface import FORMS
from mirage.bundle.store.durable import replace_durably, sync_file, sync_folder
from mirage.training.cache_folder import default_cache
from mirage.training.data.dataset import Dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from mirage.training.media.images import Images
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens

INDEX = "dataset.json"
MAX_BYTES = 64 << 30
"""Of all data sets; a quarter of a common disk of 256 GB."""
SPARE_BYTES = 64 << 20
"""Kept free on the disk beside the decoded images."""


@dataclass(frozen=True)
class Summary:
    """What `dataset.json` holds of a data set.

    source: absolute path or address. reading: a hash of the source and of how it is read, which is
    the same when only its content changes. images: their number. labels: `hash_labels`, or None
    without classes. broken: name and reason of each picture that was left out, and left_out their
    indices. medium: None for images, whose shape says all. Others: as of `Dataset`.
    """

    source: str
    reading: str
    images: int
    labels: str | None
    classes: tuple[str, ...]
    fingerprint: str
    broken: tuple[tuple[str, str], ...] = ()
    left_out: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    medium: Images | Sound | Tokens | None = None


SUMMARY: TypeAdapter[Summary] = TypeAdapter(Summary)


def cached(
    key: str, options: DataOptions, cache: Path | None, build: Callable[[Path], Summary]
) -> Dataset:
    """Return the data set stored under `key`; call `build` with an empty folder if there is none.

    A stored data set that is damaged is built again; its pixels are checked for their number and
    shape only. A build removes data sets of the same source, read in the same way, whose content
    has changed since, and those not used for the longest time beyond `MAX_BYTES` in all. Other
    processes that need the same key wait for the build. An interrupted build is never read. Raises
    DataError if the folder cannot be written or the disk is full.
    """
    folder = _folder(cache) / key
    with _locked(folder):
        dataset = _read(folder, options)
        if dataset is None:
            _build(folder, build)
            dataset = _read(folder, options)
            _prune_others(folder)
    if dataset is None:
        raise DataError(f"{folder} cannot be read back after it was written")
    return dataset


def _folder(cache: Path | None) -> Path:
    return (cache or default_cache()) / "datasets"


def hash_labels(labels: np.ndarray) -> str:
    """sha256 in hex of labels int64 [N]."""
    return hashlib.sha256(np.ascontiguousarray(labels).data).hexdigest()


def prune_sources(sources: Collection[str], cache: Path | None = None) -> None:
    """Remove the data sets of these sources, except those that another process builds."""
    for path in _stored(_folder(cache)):
        if (summary := _summary(path)) and summary.source in sources:
            _remove(path)


def _prune_others(folder: Path) -> None:
    """Remove earlier contents of the data set just built, then the least recently used."""
    own = _summary(folder)
    others = [path for path in _stored(folder.parent) if path != folder]
    newest_first = sorted(others, key=lambda path: -_used(path))
    total = _size(folder)
    for path in newest_first:
        summary = _summary(path)
        superseded = summary is None or (own is not None and summary.reading == own.reading)
        total += 0 if superseded else _size(path)
        if superseded or total > MAX_BYTES:
            _remove(path)


def _stored(root: Path) -> list[Path]:
    return [path for path in root.glob("[!.]*") if path.is_dir()]


def _used(folder: Path) -> int:
    """When a data set was last loaded, in nanoseconds; 0 if it is damaged."""
    file = folder / INDEX
    return file.stat().st_mtime_ns if file.exists() else 0


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))


def _remove(folder: Path) -> None:
    """Remove a data set unless a process holds its lock; processes that have it mapped keep it."""
    with _locked(folder, wait=False) as locked:
        if locked:
            hidden = folder.with_name(f".pruned-{folder.name}")
            folder.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Lock a data set; yields False if another process holds the lock and `wait` is not set."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _read(folder: Path, options: DataOptions) -> Dataset | None:
    """Read a data set and note its use; return None if it is missing or damaged."""
    summary = _summary(folder)
    if summary is None:
        return None
    try:
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = None
        if summary.labels is not None:
            labels = np.load(folder / "labels.npy", allow_pickle=False)
        os.utime(folder / INDEX)
    except (OSError, ValueError, EOFError):
        return None
    if not _is_whole(summary, images, labels):
        return None
    return Dataset(
        images=images,
        labels=labels,
        classes=summary.classes,
        fingerprint=summary.fingerprint,
        options=options,
        broken=len(summary.left_out),
        left_out=summary.left_out,
        source=summary.source,
        notes=summary.notes,
        recorded_medium=summary.medium,
    )


def _summary(folder: Path) -> Summary | None:
    try:
        return SUMMARY.validate_json((folder / INDEX).read_bytes())
    except (OSError, ValidationError):
        return None


def _is_whole(summary: Summary, images: np.ndarray, labels: np.ndarray | None) -> bool:
    """Whether the arrays are those that were written."""
    meaning = summary.medium.meaning if summary.medium else "images"
    form = FORMS[meaning]
    if images.dtype != form.dtype or images.ndim != 1 + len(form.longest):
        return False
    if len(images) != summary.images:
        return False
    if labels is None:
        return not summary.classes
    return len(labels) == len(images) and hash_labels(labels) == summary.labels


def _build(folder: Path, build: Callable[[Path], Summary]) -> None:
    """Build in a temporary folder, then rename it; remains of earlier builds are removed first."""
    draft = folder.with_name(f".building-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        draft.mkdir()
        summary = build(draft)
        (draft / INDEX).write_bytes(SUMMARY.dump_json(summary, indent=2))
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
    """Writes a .npy file [N, …] whose length N is not known in advance.

    Uses plain writes rather than a memory map: on a full disk a write raises OSError, but a memory
    map kills the process with SIGBUS.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.shape = shape
        self._dtype = np.dtype(dtype)
        self.count = 0
        self._file = path.open("wb")
        self._write_header()
        self._begin = self._file.tell()

    def append(self, items: np.ndarray) -> None:
        """Append items [n, …] of the file's dtype."""
        self._file.write(np.ascontiguousarray(items).data)
        self.count += len(items)

    def _write_header(self) -> None:
        """Write the header at the current position; NumPy pads it so that N can grow in place."""
        header = {
            "descr": self._dtype.str,
            "fortran_order": False,
            "shape": (self.count, *self.shape),
        }
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
