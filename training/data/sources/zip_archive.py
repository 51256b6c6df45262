"""Pictures in a ZIP file, read without unpacking it to the disk."""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

from PIL import Image

from mirage.training.data.sources import image_folder
from mirage.training.data.sources.image import open_picture, read_bounded
from mirage.training.data.sources.image_folder import Source, state_of
from mirage.training.errors import DataError

ENCRYPTED = 0x1
READ_ERRORS = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""RuntimeError includes NotImplementedError, which unsupported compression methods raise."""


def open_archive(path: Path, split: str) -> Source:
    """Open the pictures in a ZIP file; if its top folders are splits, those of `split`.

    Raises DataError if it is damaged, encrypted, has duplicate names, or names paths outside of it.
    """
    archive = _opened(path)
    members = {_safe(path, info.filename): info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise DataError(f"{path} contains two files of one name")
    members = {name: info for name, info in members.items() if not image_folder.is_hidden(name)}
    if locked := [name for name, info in members.items() if info.flag_bits & ENCRYPTED]:
        raise DataError(f"{path} is encrypted ({locked[0]}); use a ZIP file without a password")
    tops = {name.split("/")[0] for name in members}
    if not image_folder.has_splits(tops):
        return _source(path, archive, members)
    prefix = f"{split if split in tops else 'train'}/"
    inside = {
        name.removeprefix(prefix): members[name] for name in members if name.startswith(prefix)
    }
    return replace(_source(path, archive, inside), prefix=prefix)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except READ_ERRORS as error:
        raise DataError(f"{path} is not a complete ZIP file: {error}") from error


def _safe(path: Path, name: str) -> str:
    """A member's name with forward slashes; raises DataError for absolute names and `..`."""
    plain = name.replace("\\", "/")
    parts = plain.split("/")
    if plain.startswith("/") or ".." in parts or ":" in parts[0] or not plain.strip("/"):
        raise DataError(f"{path} names the file {name[:80]!r}, which is outside of it")
    return plain


def _source(path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Source:
    names = image_folder.in_order(name for name in members if image_folder.is_picture(name))
    if not names:
        raise DataError(f"--data is {path}; it contains no images")
    folders = {name.split("/")[0] for name in members if "/" in name}

    def picture(index: int) -> Image.Image:
        return open_picture(_read(archive, members[names[index]]))

    labels = members.get(image_folder.LABELS_FILE)
    return Source(
        place=str(path),
        state=state_of(path),
        names=names,
        picture=picture,
        classes=lambda: image_folder.classes_of(str(path), names, folders),
        labels_file=(image_folder.LABELS_FILE, _labels(path, archive, labels)) if labels else None,
    )


def _labels(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return _read(archive, member)
    except READ_ERRORS as error:
        raise DataError(f"{member.filename} in {path} cannot be read: {error}") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return read_bounded(file)
