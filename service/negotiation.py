"""Chooses the type of an answer by the client's Accept header."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from service.errors import NotAcceptable

PNG, WEBP, ZIP = "image/png", "image/webp", "application/zip"
MULTIPART, JSON, NPY = "multipart/mixed", "application/json", "application/x-npy"
ANSWER_TYPES = (PNG, WEBP, ZIP, MULTIPART, JSON, NPY)  # earlier ones win ties
ONE_IMAGE = (PNG, WEBP)
SEPARATE_ONLY = (ZIP, MULTIPART, NPY)
ANYTHING = "*/*"
MOST_RANGES = 64

Layout = Literal["separate", "grid"] | None  # None: the client says nothing
QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True)
class Range:
    """One item of an Accept header: a type, or all of a kind such as `image/*`."""

    media: str
    quality: float


def choose_type(accept: str | None, count: int, layout: Layout) -> str:
    """The type of an answer of `count` images.

    Types that the client names go before its wildcards, whatever their quality.
    Raises NotAcceptable.
    """
    ranges = _parse(accept or ANYTHING)
    refused = {item.media for item in ranges if not item.quality}
    wanted = sorted((item for item in ranges if item.quality), key=lambda item: -item.quality)

    def can_hold(media: str) -> bool:
        return media not in refused and _holds(media, count, layout)

    chosen = _best_named(wanted, can_hold) or _best_matching(wanted, count, layout, can_hold)
    if chosen is None:
        raise NotAcceptable(_explain(accept or ANYTHING, count, layout))
    return chosen


def _parse(accept: str) -> list[Range]:
    """The items of the header; those that cannot be read are left out, as if not named."""
    ranges = []
    for item in accept.split(",")[:MOST_RANGES]:
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((p[2:].strip() for p in parameters if p.startswith("q=")), "1")
        if QUALITY.fullmatch(quality):
            ranges.append(Range(media, float(quality)))
    return ranges


def _holds(media: str, count: int, layout: Layout) -> bool:
    """Whether a type can hold so many images in this layout."""
    if media in ONE_IMAGE:
        return count == 1 or layout != "separate"
    return layout != "grid" or media not in SEPARATE_ONLY


def _best_named(wanted: list[Range], can_hold: Callable[[str], bool]) -> str | None:
    named = [item for item in wanted if item.media in ANSWER_TYPES and can_hold(item.media)]
    best = min(named, key=lambda i: (-i.quality, ANSWER_TYPES.index(i.media)), default=None)
    return best.media if best else None


def _best_matching(
    wanted: list[Range], count: int, layout: Layout, can_hold: Callable[[str], bool]
) -> str | None:
    """The first type that a wildcard allows; several images are a ZIP unless told otherwise."""
    order = ANSWER_TYPES if count == 1 or layout == "grid" else (ZIP, *ANSWER_TYPES)
    for item in wanted:
        if item.media != ANYTHING and not item.media.endswith("/*"):
            continue
        prefix = "" if item.media == ANYTHING else item.media[:-1]
        for media in order:
            if media.startswith(prefix) and can_hold(media):
                return media
    return None


def _explain(accept: str, count: int, layout: Layout) -> str:
    possible = [media for media in ANSWER_TYPES if _holds(media, count, layout)]
    asked = f"{count} image{'s' * (count > 1)}" + (f" in layout {layout}" if layout else "")
    return f"Accept is {accept!r:.200}; for {asked} allowed are {', '.join(possible)}"
