"""Pictures of two styles for task `translate`, and which of them are twins."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mirage.training.data.sources.pictures import (
    Picture,
    PictureOptions,
    PictureSet,
    load_pictures,
)
from mirage.training.errors import DataError

NAMED = 5


@dataclass(frozen=True)
class StyleSet:
    """Source and target pictures, each split into training and held out.

    Pictures of the same name, without the suffix, are twins: the same thing in both styles. Groups
    are held out by their names, so twins are held out together. paired: training uses the twins.
    """

    source: PictureSet
    target: PictureSet
    paired: bool = False

    def __len__(self) -> int:
        return len(self.source)

    @property
    def fingerprint(self) -> str:
        """sha256 of the training pictures of both styles."""
        both = f"{self.source.fingerprint} {self.target.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()

    @property
    def options(self) -> PictureOptions:
        """How the pictures of both styles were read."""
        return self.source.options

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the data, as sentences for people."""
        return (*self.source.notes, *self.target.notes)

    @property
    def twins(self) -> Sequence[tuple[Picture, Picture]]:
        """The pairs of training pictures of the same name."""
        return _pairs(self.source.pictures, self.target.pictures)

    @property
    def held_out_twins(self) -> Sequence[tuple[Picture, Picture]]:
        """The held-out pairs, for scores."""
        return _pairs(self.source.held_out, self.target.held_out)

    def sheet(self) -> dict[str, Any]:
        """The description of the data that a run records, as JSON values."""
        return self.source.sheet() | {
            "fingerprint": self.fingerprint,
            "targets": len(self.target),
            "twins": len(self.held_out_twins),
        }


def load_styles(
    source: str, target: str, options: PictureOptions, least: int, paired: bool
) -> StyleSet:
    """Read the pictures of two folders; raises DataError as `load_pictures`.

    least: smallest side of a picture in pixels. paired: raises DataError if a source picture has no
    twin of its own size.
    """
    first, second = (
        load_pictures(path, options, (least, least), by_name=True) for path in (source, target)
    )
    styles = StyleSet(first, second, paired)
    if paired:
        _check_twins(styles)
    return styles


def stem(picture: Picture) -> str:
    """The name of a picture without its suffix, which twins share."""
    return str(PurePosixPath(picture.name).with_suffix(""))


def _pairs(
    sources: Sequence[Picture], targets: Sequence[Picture]
) -> Sequence[tuple[Picture, Picture]]:
    found = {stem(picture): picture for picture in targets}
    return [(picture, found[stem(picture)]) for picture in sources if stem(picture) in found]


def _check_twins(styles: StyleSet) -> None:
    both = [*styles.twins, *styles.held_out_twins]
    twins = {source.name for source, _ in both}
    if missing := [p.name for p in styles.source.all if p.name not in twins]:
        raise DataError(
            f"{len(missing)} of {len(styles.source.all)} pictures have no twin of the same name "
            f"that can be read: {', '.join(missing[:NAMED])}"
        )
    for source, target in both:
        if source.pixels.shape[:2] != target.pixels.shape[:2]:
            sizes = ("x".join(map(str, p.pixels.shape[1::-1])) for p in (source, target))
            raise DataError(f"{source.name} is {next(sizes)} and its twin {next(sizes)}")
