"""Groups of related images, which are held out of training together."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from mirage.training.errors import DataError

FOLDER, EMOJI = "folder", "emoji"
HASHES = 2**256
"""Number of values of a sha256."""
MODIFIERS = frozenset(
    """
    1f3fb 1f3fc 1f3fd 1f3fe 1f3ff
    200d fe0f
    2640 2642
    """.split()
)
"""Skin tones, joiners, and the gender signs (Unicode Technical Standard #51)."""
UNGENDERED = {
    **{"1f468": "1f9d1", "1f469": "1f9d1"},
    **{"1f466": "1f9d2", "1f467": "1f9d2"},
    **{"1f474": "1f9d3", "1f475": "1f9d3"},
    **{"1f934": "1fac5", "1f478": "1fac5"},
    **{"1f385": "1f9d1_1f384", "1f936": "1f9d1_1f384"},
}
"""Gendered person -> the same person without a gender."""


def group_names(rule: str, names: Sequence[str]) -> list[str]:
    """The group of each picture, by its name; raises DataError if a name has no group.

    rule: `folder` groups by the folder of the picture. `emoji` groups file names of code points
    (emoji_u1f468_1f3fb.png, 1F468-1F3FB.png) that differ only in skin tone and gender.
    """
    groups = [RULES[rule](PurePosixPath(name)) for name in names]
    if odd := [name for name, group in zip(names, groups, strict=True) if not group]:
        raise DataError(f"--groups is {rule}; the name {odd[0]} has no such group")
    return groups


def _folder(name: PurePosixPath) -> str:
    return str(name.parent) if name.parent.name else ""


def _person(name: PurePosixPath) -> str:
    stem = name.stem.lower().removeprefix("emoji_u").replace("-", "_")
    points = [UNGENDERED.get(point, point) for point in stem.split("_") if point not in MODIFIERS]
    return "_".join(points)


RULES = {FOLDER: _folder, EMOJI: _person}


def content_hash(image: np.ndarray) -> str:
    """The sha256 of the pixels uint8 [H, W, C], which groups identical images."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def held_out_groups(groups: Iterable[str], per_cent: float) -> set[str]:
    """The groups whose sha256 is in the lowest `per_cent` of its range; at least one, never all.

    The choice for one group does not depend on the other groups. The held-out share of the images
    can differ much from `per_cent` if the groups are few.
    """
    order = sorted(set(groups), key=_hash)
    out = [group for group in order if _hash(group) < per_cent / 100 * HASHES] or order[:1]
    return set(out[: len(order) - 1])


def groups_of_share(groups: Sequence[str], per_cent: float) -> set[str]:
    """The fewest groups, in order of their sha256, with `per_cent` of the images; never all groups.

    groups: the group of each image.
    """
    sizes = Counter(groups)
    order = sorted(sizes, key=_hash)
    before = np.cumsum([0, *(sizes[group] for group in order)])
    count = int(np.searchsorted(before, per_cent / 100 * len(groups)))
    return set(order[: min(count, len(order) - 1)])


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)
