"""Chooses the type of an answer by the client's Accept header."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mirage.service.errors import NotAcceptable
from mirage.service.media.encoding import APNG, GIF, PNG, WEBP, ZIP

MULTIPART, JSON, NPY = "multipart/mixed", "application/json", "application/x-npy"
ANSWER_TYPES = (PNG, WEBP, ZIP, MULTIPART, JSON, NPY)  # earlier ones win ties
FRAMES_TYPES = (ZIP, GIF, APNG, WEBP)  # as above
PICTURE_TYPES = (PNG, WEBP)  # as above
INVERSION_TYPES = (JSON, PNG, ZIP)  # as above
ANYTHING = "*/*"
MAX_RANGES = 64
SHORT = 200  # characters; longer Accept headers are not cached, and real ones are shorter

Layout = Literal["separate", "grid"] | None  # None: the client says nothing


@dataclass(frozen=True)
class Range:
    """An item of an Accept header: a type, or a wildcard such as `image/*`."""

    media: str
    quality: float


@dataclass(frozen=True)
class Offer:
    """The types of answers of one kind of output; earlier ones win ties.

    several: the default for more than one item. sheets: types of one image or of a contact sheet.
    single: types of one item. separate: types of items without a sheet.
    """

    noun: str
    types: tuple[str, ...]
    several: str
    sheets: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    separate: tuple[str, ...] = ()

    def holds(self, media: str, count: int, layout: Layout) -> bool:
        """Whether a type can hold `count` items in a layout."""
        if media in self.single:
            return count == 1
        if media in self.sheets:
            return count == 1 or layout != "separate"
        return layout != "grid" or media not in self.separate


OF_IMAGES = Offer("image", ANSWER_TYPES, ZIP, sheets=(PNG, WEBP), separate=(ZIP, MULTIPART, NPY))


def choose_type(accept: str | None, count: int, layout: Layout, offer: Offer = OF_IMAGES) -> str:
    """Choose the type of an answer of `count` items.

    Types that the client names precede its wildcards, whatever their quality. Raises NotAcceptable.
    """
    short = accept is None or len(accept) <= SHORT
    return (_choose_again if short else _choose)(accept, count, layout, offer)


def _choose(accept: str | None, count: int, layout: Layout, offer: Offer) -> str:
    possible = [media for media in offer.types if offer.holds(media, count, layout)]
    preferred = possible if count == 1 or layout == "grid" else [offer.several, *possible]
    chosen = _best(accept or "", possible, preferred)
    if chosen is None:
        asked = f"{count} {offer.noun}{'s' * (count > 1)}" + (
            f" in layout {layout}" if layout else ""
        )
        raise NotAcceptable(_explain(accept or "", asked, possible))
    return chosen


_choose_again = lru_cache(1024)(_choose)  # clients repeat their headers


def choose_frames_type(accept: str | None, types: Sequence[str] = FRAMES_TYPES) -> str:
    """Choose the type of an answer of frames by the same rules. Raises NotAcceptable."""
    chosen = _best(accept or "", types, types)
    if chosen is None:
        raise NotAcceptable(_explain(accept or "", "frames", types))
    return chosen


def choose_picture_type(accept: str | None, *, is_archive: bool) -> str:
    """Choose the type of an enlarged picture or archive. Raises NotAcceptable."""
    possible = (ZIP,) if is_archive else PICTURE_TYPES
    chosen = _best(accept or "", possible, possible)
    if chosen is None:
        asked = "a ZIP of pictures" if is_archive else "a picture"
        raise NotAcceptable(_explain(accept or "", asked, possible))
    return chosen


def choose_inversion_type(accept: str | None) -> str:
    """Choose the type of an inversion. Raises NotAcceptable."""
    chosen = _best(accept or "", INVERSION_TYPES, INVERSION_TYPES)
    if chosen is None:
        raise NotAcceptable(_explain(accept or "", "an inversion", INVERSION_TYPES))
    return chosen


def _best(accept: str, possible: Sequence[str], preferred: Sequence[str]) -> str | None:
    """Return the best possible type; wildcards match in the order of `preferred`."""
    ranges = _parse(accept)
    refused = _refused(ranges, preferred)
    wanted = sorted((item for item in ranges if item.quality), key=lambda item: -item.quality)
    named = [item for item in wanted if item.media in possible and item.media not in refused]
    if named:
        return min(named, key=lambda item: (-item.quality, possible.index(item.media))).media
    matching = (
        media
        for item in wanted
        for media in preferred
        if media not in refused and _matches(item.media, media)
    )
    return next(matching, None)


def _refused(ranges: Sequence[Range], types: Sequence[str]) -> set[str]:
    """Return the types that the most specific of their items refuse (RFC 9110, 12.5.1)."""
    qualities: dict[str, float] = {}
    for item in ranges:  # of equal items, a refusal decides
        qualities[item.media] = min(item.quality, qualities.get(item.media, 1.0))
    refused = set()
    for media in types:
        levels = media, f"{media.partition('/')[0]}/*", ANYTHING
        named = next((level for level in levels if level in qualities), None)
        if named is not None and not qualities[named]:
            refused.add(media)
    return refused


def _matches(wildcard: str, media: str) -> bool:
    return wildcard == ANYTHING or (wildcard.endswith("/*") and media.startswith(wildcard[:-1]))


def _parse(accept: str) -> list[Range]:
    """Parse the header; without any valid item, the client accepts anything."""
    ranges = []
    for item in accept.split(",", MAX_RANGES)[:MAX_RANGES]:
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        media = ANYTHING if media == "*" else media  # as Java's HttpURLConnection writes it
        if "/" in media:
            ranges.append(Range(media, _quality(parameters)))
    return ranges or [Range(ANYTHING, 1.0)]


def _quality(parameters: Sequence[str]) -> float:
    """Return the q-value, 0 … 1, of an item's parameters; 1 if missing or invalid."""
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(text)  # more lenient than RFC 9110: `.2` is sent, and understood
            except ValueError:
                return 1.0
            return max(0.0, quality) if quality <= 1 else 1.0
    return 1.0


def _explain(accept: str, asked: str, possible: Sequence[str]) -> str:
    return f"Accept is {accept!r:.200}; for {asked} allowed are {', '.join(possible)}"
