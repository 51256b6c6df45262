"""Pictures in a ZIP file, read without unpacking it to the disk."""

import zipfile
import zlib
from pathlib import Path

from mirage.training.data.options import AUTO
from mirage.training.data.sources.contents import contents_of
from mirage.training.data.sources.file_tree import FileTree, is_hidden
from mirage.training.data.sources.image import read_bounded
from mirage.training.data.sources.layout import member_name, parents_of
from mirage.training.data.sources.source import Source, state_of
from mirage.training.errors import DataError

ENCRYPTED = 0x1
READ_ERRORS = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""RuntimeError includes NotImplementedError, which unsupported compression methods raise."""


def open_archive(path: Path, split: str, splits: str = AUTO) -> Source:
    """Open the samples in a ZIP file; if it has splits, those of `split`.

    Raises DataError if it is damaged, encrypted, has duplicate names, or names paths outside of it.
    """
    return contents_of(list_archive(path), split, splits)


def list_archive(path: Path) -> FileTree:
    """List the visible members of a ZIP file; raises as `open_archive`."""
    archive = _opened(path)
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in archive.infolist():
        name = member_name(str(path), info.filename)
        if not name or is_hidden(name):
            continue
        folders |= parents_of(name)
        if info.is_dir() or info.filename.endswith("\\"):
            folders.add(name)
        elif members.setdefault(name, info) is not info:
            raise DataError(f"{path} contains two files of one name, {name}")
    if locked := [name for name, info in members.items() if info.flag_bits & ENCRYPTED]:
        raise DataError(f"{path} is encrypted ({locked[0]}); use a ZIP file without a password")

    def read(name: str, limit: int | None) -> bytes:
        with archive.open(members[name]) as file:
            return read_bounded(file, limit)

    return FileTree(str(path), list(members), sorted(folders), read, lambda names: state_of(path))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except READ_ERRORS as error:
        raise DataError(f"{path} is not a complete ZIP file: {error}") from error
