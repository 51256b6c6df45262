"""The parameters of a call for the frames between points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from .generate_call import Directions, plain

ARCHIVE = "application/zip"
MEDIA_TYPES = {
    ".zip": ARCHIVE,
    ".gif": "image/gif",
    ".png": "image/apng",
    ".apng": "image/apng",
    ".webp": "image/webp",
    ".txt": "text/plain",
}
Point = (
    int | Mapping[str, Any]
)  # a seed, or a mapping of seed, index, latents, label and directions


class InterpolateOptions(TypedDict, total=False):
    """Options of `interpolate` and `interpolate_to_file`; None uses the server's default.

    - `steps`: frames from one point (included) to the next (excluded).
    - `loop`: whether to return to the first point.
    - `truncation`: 0 < t ≤ 1.
    - `directions`: amounts by which to move along the model's directions, by index or name.
    - `duration_ms`: of each frame of an animation.
    - `model`, `version`: default: the server's default model and its released version.
    - `upscale`: `name` or `name@version` of a model that enlarges the frames.
    """

    steps: int | None
    loop: bool | None
    truncation: float | None
    directions: Directions | None
    duration_ms: int | None
    model: str | None
    version: int | None
    upscale: str | None


@dataclass(frozen=True)
class InterpolateCall:
    """A call for frames: the JSON body of the request, and the media type of the answer."""

    body: dict[str, Any]
    media_type: str = ARCHIVE

    @property
    def upscale(self) -> str | None:
        """The name of the model that enlarges the frames, without its version."""
        upscale = self.body.get("upscale")
        return None if upscale is None else str(upscale).partition("@")[0]


def make_interpolate_call(
    points: Sequence[Point], options: InterpolateOptions, path: Path | None = None
) -> InterpolateCall:
    """Build a call; the suffix of `path` determines the media type. The server checks the values.

    Raises TypeError for an unknown option, and ValueError for an unknown suffix.
    """
    if unknown := options.keys() - InterpolateOptions.__annotations__.keys():
        allowed = ", ".join(InterpolateOptions.__annotations__)
        raise TypeError(f"{min(unknown)} is not an option; allowed are {allowed}")
    suffix = ".zip" if path is None else path.suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise ValueError(f"suffix of {path} is {suffix!r}; allowed are {', '.join(MEDIA_TYPES)}")
    given = {name: plain(value) for name, value in options.items() if value is not None}
    return InterpolateCall({"points": list(map(_point, points)), **given}, MEDIA_TYPES[suffix])


def _point(point: Point) -> dict[str, Any]:
    found = plain(point)
    return {"seed": found} if isinstance(found, int) else dict(found)
