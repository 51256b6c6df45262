"""Pictures in an uncompressed tar file, such as a shard of a WebDataset."""

import os
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    outside of it. A hard link is the earlier file that it names; other links are only counted.
    """
    place = paths[0] if len(paths) == 1 else paths[0].parent
    return contents_of(merged(str(place), list(map(list_tar, paths))), split, splits)


def list_tar(path: Path) -> FileTree:
    """List the visible files of a tar file; raises as `open_tars`."""
    files: dict[str, tarfile.TarInfo] = {}
    stored: dict[str, tarfile.TarInfo] = {}
    unread: Counter[str] = Counter()
    folders: set[str] = set()
    for member in _members(path):
        info = stored.get(member.linkname, member) if member.islnk() else member
        name = member_name(str(path), member.name)
        if not (kind := _without_content(info)):
            stored[member.name] = info
        if not name or is_hidden(name):
            continue
        folders |= parents_of(name)
        if info.isdir():
            folders.add(name)
        elif kind:
            unread[kind] += 1
        elif files.setdefault(name, info) is not info:
            raise DataError(f"{path} contains two files of one name, {name}")

    def read(name: str, limit: int | None) -> bytes:
        info = files[name]
        if limit is None:
            check_bytes(info.size)
        with path.open("rb") as file:  # tarfile's own files are not thread-safe
            size = min(info.size, limit or info.size)
            return os.pread(file.fileno(), size, info.offset_data)

    def state(names: Sequence[str]) -> Any:
        return state_of(path)

    return FileTree(str(path), list(files), sorted(folders), read, state, unread)


def _without_content(info: tarfile.TarInfo) -> str:
    """What a member is whose content is not in one piece after its header; "" if it is."""
    if info.issparse():
        return "sparse file"
    if info.isreg():
        return ""
    return "link" if info.islnk() or info.issym() else "device"


def _members(path: Path) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as archive:
            return archive.getmembers()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} is not a complete tar file without compression: {error}; "
            "unpack it, and pass the folder"
        ) from error
