"""High-resolution pictures of any size for training upscalers, split into training and held out."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from mirage.training.data.groups import held_out_groups
from mirage.training.data.options import AUTO, NONE, DataOptions
from mirage.training.data.sources.decode import note_on, readable, reason_of
from mirage.training.data.sources.image import normalise
from mirage.training.data.sources.kinds import open_source
from mirage.training.data.sources.source import Source
from mirage.training.errors import DataError

MAX_BYTES = 16 << 30
"""Of all decoded pictures, which are kept in memory."""
NAMED = 5
"""Pictures listed in an error."""


class PictureOptions(BaseModel):
    """How pictures are read, and how many are held out for evaluation; recorded with a run.

    shrink: factors by which pictures are reduced first, which removes JPEG artefacts. Several
    factors add one copy of each picture per factor, which shows details at several scales.
    held_out: per cent of the pictures held out, chosen by a hash of the name of a picture's folder,
    so that related pictures stay together, also those of `noto/faces` and `openmoji/faces`, or of
    its content if there are no folders; at least one group is held out. split, max_broken: as in
    `DataOptions`; only training pictures are read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrink: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field((1,), min_length=1)
    held_out: float = Field(5, gt=0, lt=100)
    channels: Literal[1, 3] = 3
    split: str = AUTO
    max_broken: float | None = Field(None, ge=0, lt=1)


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    pixels: uint8 [H, W, C], with 4 channels if it is transparent. low: the same picture in low
    resolution, or None. group: pictures of one group are held out together.
    """

    name: str
    pixels: np.ndarray
    low: np.ndarray | None = None
    group: str = ""


@dataclass(frozen=True)
class PictureSet:
    """The training and held-out pictures of a run of task `upscale`.

    fingerprint: sha256 of the training pixels, including the low resolution where it is given.
    notes: what was found in the data, as sentences for people.
    """

    pictures: Sequence[Picture]
    held_out: Sequence[Picture]
    fingerprint: str
    options: PictureOptions
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def all(self) -> Sequence[Picture]:
        """Training and held-out pictures, sorted by name."""
        return sorted([*self.pictures, *self.held_out], key=lambda picture: picture.name)

    def sheet(self) -> dict[str, Any]:
        """The description of the data that a run records, as JSON values."""
        return {
            "fingerprint": self.fingerprint,
            "images": len(self.pictures),
            "held_out": len(self.held_out),
            "pixels": sum(p.pixels.shape[0] * p.pixels.shape[1] for p in self.pictures),
            "options": self.options.model_dump(mode="json"),
            "classes": [],
        }


def load_pictures(
    data: str,
    options: PictureOptions,
    least: tuple[int, int],
    low: str | None = None,
    by_name: bool = False,
) -> PictureSet:
    """Read all pictures into memory and hold some out.

    least: sides of a crop in the low and in the high resolution, in pixels. low: a folder with the
    same pictures under the same names at exactly 1/scale of the size. by_name: pictures without a
    folder are held out by a hash of their name rather than of their content. A picture is left out
    if it or its counterpart is broken. Raises DataError if too many are, or if pictures are smaller
    than a crop or have no low-resolution counterpart.
    """
    source = open_source(data, "train", NONE, options.split)
    twins = _twins(open_source(low, "train", NONE, options.split), source) if low else None
    broken: list[tuple[int, str]] = []
    read = readable(
        source,
        lambda place: _read(source, place, options, twins, by_name),
        1,  # a chunk is one picture, so that few are in memory beyond `MAX_BYTES`
        options.max_broken,
        broken,
    )
    pictures = list(_bounded(source, chain.from_iterable(read)))
    _check_sizes(source, pictures, least, twins is not None)
    kept, held_out = _hold_out(source, pictures, options.held_out)
    notes = (*source.notes, *note_on(source, broken))
    return PictureSet(kept, held_out, _fingerprint(kept), options, notes)


def _twins(twins: Source, source: Source) -> dict[str, tuple[Source, int]]:
    """The source and index of each picture's low-resolution counterpart, by stem."""
    places = {_stem(name): (twins, place) for place, name in enumerate(twins.names)}
    if missing := [name for name in source.names if _stem(name) not in places]:
        raise DataError(
            f"{len(missing)} of {len(source)} pictures have no counterpart in {twins.place}: "
            f"{', '.join(missing[:NAMED])}"
        )
    return places


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _read(
    source: Source,
    place: int,
    options: PictureOptions,
    twins: dict[str, tuple[Source, int]] | None,
    by_name: bool,
) -> list[Picture]:
    """Read one picture at each shrink factor; raises any exception if it is broken."""
    name, picture = source.names[place], _open(source, place, options.channels)
    twin = twins[_stem(name)] if twins else None
    low = _low(*twin, options.channels) if twin else None
    own = _stem(name) if by_name else hashlib.sha256(picture.tobytes()).hexdigest()
    group = PurePosixPath(name).parent.name or own
    return [
        Picture(
            name if number == 0 else f"{name} / {shrink}",
            _pixels(picture, options.channels, shrink),
            low,
            group,
        )
        for number, shrink in enumerate(options.shrink)
    ]


def _low(source: Source, place: int, channels: int) -> np.ndarray:
    """Read a counterpart; raises ValueError, which is a fault of its picture, if it is broken."""
    try:
        return _pixels(_open(source, place, channels), channels, 1)
    except Exception as error:  # Pillow raises many types for damaged files
        raise ValueError(f"has a low resolution that cannot be read: {reason_of(error)}") from error


def _open(source: Source, place: int, channels: int) -> Image.Image:
    """Decode a picture; what is to be grey has no alpha, so it is drawn over white."""
    alpha: Literal["keep", "composite"] = "composite" if channels == 1 else "keep"
    return normalise(source.picture(place), DataOptions(alpha=alpha))


def _pixels(picture: Image.Image, channels: int, shrink: int) -> np.ndarray:
    if shrink > 1:
        size = (picture.width // shrink, picture.height // shrink)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    colour = "RGBA" if picture.has_transparency_data else "RGB"
    mode = "L" if channels == 1 else colour
    return np.asarray(picture.convert(mode)).reshape(picture.height, picture.width, -1)


def _bounded(source: Source, read: Iterable[list[Picture]]) -> Iterator[Picture]:
    """The pictures as they are read; raises DataError once they take more than `MAX_BYTES`."""
    size = 0
    for number, several in enumerate(read, 1):
        size += sum(picture.pixels.nbytes for picture in several)
        low = several[0].low  # all sizes of a picture share it
        size += 0 if low is None else low.nbytes
        if size > MAX_BYTES:
            raise DataError(
                f"{number} of {len(source)} pictures of {source.place} are {size / 1e9:.1f} GB "
                f"decoded and at most {MAX_BYTES / 1e9:.1f} GB are allowed; use fewer pictures, or "
                "a larger --shrink"
            )
        yield from several


def _check_sizes(
    source: Source, pictures: list[Picture], least: tuple[int, int], twins: bool
) -> None:
    low, high = least
    small = [p.name for p in pictures if min(p.pixels.shape[:2]) < high]
    if small:
        raise DataError(
            f"{len(small)} of {len(pictures)} pictures of {source.place} are smaller than a crop "
            f"of {high}x{high}: {', '.join(small[:NAMED])}; pass --set crop=N for smaller crops"
        )
    if not twins:
        return
    scale = high // low
    for picture in pictures:
        wanted, twin = tuple(side // scale for side in picture.pixels.shape[:2]), picture.low
        if twin is None or twin.shape[:2] != wanted or picture.pixels.shape[2] == 4:
            found = "transparent" if twin is None else "x".join(map(str, twin.shape[1::-1]))
            raise DataError(
                f"the low resolution of {picture.name} is {found}; at a scale of {scale} it must "
                f"be {wanted[1]}x{wanted[0]}, and both must be opaque"
            )


def _hold_out(
    source: Source, pictures: list[Picture], per_cent: float
) -> tuple[list[Picture], list[Picture]]:
    """Split into training and held-out pictures; raises DataError if either would be empty."""
    groups = {picture.group for picture in pictures}
    if len(groups) < 2:
        raise DataError(
            f"{source.place} has only one picture, or pictures only in folders of one name; some "
            "must be held out, so at least two are needed: rename folders if they are unrelated"
        )
    out = held_out_groups(groups, per_cent)
    kept = [p for p in pictures if p.group not in out]
    return kept, [p for p in pictures if p.group in out]


def _fingerprint(pictures: Sequence[Picture]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        for pixels in (picture.pixels, picture.low):
            if pixels is not None:
                digest.update(repr(pixels.shape).encode())
                digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
