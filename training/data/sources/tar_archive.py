"""Pictures in an uncompressed tar file, such as a shard of a WebDataset."""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from mirage.training.data.options import AUTO
from mirage.training.data.sources.contents import contents_of
from mirage.training.data.sources.file_tree import FileTree, is_hidden, merged
from mirage.training.data.sources.image import check_bytes
from mirage.training.data.sources.layout import member_name, parents_of
from mirage.training.data.sources.source import Source, state_of
from mirage.training.errors import DataError


def open_tars(paths: Sequence[Path], split: str, splits: str = AUTO) -> Source:
    """Open the samples in the tar files of one data set; if it has splits, those of `split`.

    Raises DataError if one is compressed or damaged, if names occur twice, or if they are paths
    outside of it. Links in it are left out.
    """
    place = paths[0] if len(paths) == 1 else paths[0].parent
    return contents_of(merged(str(place), list(map(list_tar, paths))), split, splits)


def list_tar(path: Path) -> FileTree:
    """List the visible files of a tar file; raises as `open_tars`."""
    files: dict[str, tarfile.TarInfo] = {}
    folders: set[str] = set()
    for info in _members(path):
        name = member_name(str(path), info.name)
        if not name or is_hidden(name):
            continue
        folders |= parents_of(name)
        if info.isdir():
            folders.add(name)
        elif info.isfile() and not info.issparse() and files.setdefault(name, info) is not info:
            raise DataError(f"{path} contains two files of one name, {name}")

    def read(name: str, limit: int | None) -> bytes:
        info = files[name]
        if limit is None:
            check_bytes(info.size)
        with path.open("rb") as file:  # tarfile's own files are not thread-safe
            size = min(info.size, limit or info.size)
            return os.pread(file.fileno(), size, info.offset_data)

    return FileTree(str(path), list(files), sorted(folders), read, lambda names: state_of(path))


def _members(path: Path) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as archive:
            return archive.getmembers()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} is not a complete tar file without compression: {error}; "
            "unpack it, and pass the folder"
        ) from error
