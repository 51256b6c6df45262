"""The pictures of a folder, and where their enlargements are stored."""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from ..errors import PictureError
from ..responses import PNG_END, PNG_SIGNATURE

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")  # in lower case
SIZE_FIELD = slice(16, 24)  # of a PNG: width and height, big-endian


@dataclass(frozen=True)
class Job:
    """A picture and the PNG file of its enlargement."""

    picture: Path
    target: Path

    def is_done(self, scale: float | None) -> bool:
        """Whether the target is a whole PNG of the right size; None: of any size.

        Raises PictureError if the target is another file, which the caller may not replace.
        """
        if not self.target.exists():
            return False
        found = _png_size(self.target)
        if found is None:
            raise PictureError(f"{self.target} exists and is no whole PNG; remove it to continue")
        picture = _size(self.picture)
        if scale is not None and picture is not None:
            wanted = [max(1, round(scale * side)) for side in picture]
            if sorted(found) != sorted(wanted):  # cameras store rotated pictures
                raise PictureError(
                    f"{self.target} exists with {found[0]}x{found[1]} pixels, not"
                    f" {wanted[0]}x{wanted[1]}; remove it, or choose another output"
                )
        return True


def find_jobs(source: Path, output: Path) -> list[Job]:
    """One job for a file, or for each picture in a folder and its sub-folders, sorted by path.

    Hidden files are left out, and so is `output` if it is inside. Raises PictureError if there are
    no pictures or `output` is `source`, and OSError if a folder cannot be read.
    """
    if output.resolve() == source.resolve():
        raise PictureError(f"output is {output}, which is the source; choose another")
    if source.is_file():
        is_png = output.suffix.lower() == ".png"
        target = output if is_png else _target(source.name, output)
        return [Job(source, target)]
    jobs = [
        Job(picture, _target(picture.relative_to(source), output))
        for picture in _walk(source, output.resolve())
    ]
    if not jobs:
        raise PictureError(f"{source} has no pictures: no file ends in {', '.join(SUFFIXES)}")
    return jobs


def find_conflicts(jobs: Iterable[Job]) -> dict[Job, PictureError]:
    """Jobs whose target is that of an earlier job, such as of `a.png` after `a.jpg`."""
    first: dict[Path, Path] = {}
    return {
        job: PictureError(f"{job.target} is the enlargement of {owner} already; rename one of them")
        for job in jobs
        if (owner := first.setdefault(job.target, job.picture)) != job.picture
    }


def _target(name: str | Path, output: Path) -> Path:
    return (output / name).with_suffix(".png")


def _walk(folder: Path, output: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=fail):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != output
        )
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield here / name


def _png_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a whole PNG, else None."""
    with path.open("rb") as file:
        head = file.read(SIZE_FIELD.stop)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(PNG_END)))
        if len(head) < SIZE_FIELD.stop or file.read() != PNG_END:
            return None
    width, height = struct.unpack(">II", head[SIZE_FIELD])
    return (width, height) if head.startswith(PNG_SIGNATURE) else None


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of a picture by its header, else None."""
    try:
        with PIL.Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return None
