"""Finds masks that lie beside the pictures they belong to."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

MASK = re.compile(
    r"(.+)[ _.-](?:masks?|segmentation|seg|depth|annotations?|labels?)(?:[ _.-]\d+)?", re.IGNORECASE
)
"""A name such as `1_mask` or `1-seg-2`; the group is the name of the picture it may belong to."""


def note_masks(names: Sequence[str]) -> tuple[str, ...]:
    """A note, if pictures have the name of another one and a word for masks, as `1_mask.png`."""
    places = {str(PurePosixPath(name).with_suffix("")): name for name in names}
    masks = [
        (name, places[found[1]])
        for place, name in places.items()
        if (found := MASK.fullmatch(place)) and found[1] in places
    ]
    if not masks:
        return ()
    mask, picture = masks[0]
    return (
        f"{len(masks):,} of {len(names):,} pictures are named like masks, such as {mask} beside "
        f"{picture}, and are trained on like all others; move them out of the folder if they are "
        "masks",
    )
