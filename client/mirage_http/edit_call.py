"""The parameters of a call to edit a picture: invert it, then move its latents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from .generate_call import Directions, plain
from .upscale_call import PictureFile, contents_of


class EditOptions(TypedDict, total=False):
    """Options of `edit`; None uses the server's default.

    - `directions`: how far to move along directions, by index or name; default: nowhere.
    - `label`: class index or name; default: the class that fits best.
    - `iterations`: of the search for latents.
    - `model`, `version`: default: the server's default model and its released version.
    """

    directions: Directions | None
    label: int | str | None
    iterations: int | None
    model: str | None
    version: int | None


@dataclass(frozen=True)
class EditCall:
    """A call to edit a picture, the bytes of a PNG, JPEG or WebP file."""

    picture: bytes
    directions: dict[str, float] = field(default_factory=dict)
    label: int | str | None = None
    iterations: int | None = None
    model: str | None = None
    version: int | None = None

    def query(self) -> dict[str, str]:
        """The query of the request that inverts the picture."""
        names = ("label", "iterations", "model", "version")
        given = {name: getattr(self, name) for name in names}
        return {name: str(value) for name, value in given.items() if value is not None}

    def body(self, inverted: Mapping[str, Any]) -> dict[str, object]:
        """The body of the request that draws the edited picture, from the answer to the first."""
        fields = {name: inverted[name] for name in ("model", "version", "latents")}
        fields |= {"labels": inverted["label"], "directions": self.directions or None}
        return {name: value for name, value in fields.items() if value is not None}


def make_edit_call(picture: PictureFile, options: EditOptions) -> EditCall:
    """Read the picture and build a call; the server checks the values.

    Raises TypeError for an unknown option, and OSError if the picture cannot be read.
    """
    if unknown := options.keys() - EditOptions.__annotations__.keys():
        allowed = ", ".join(EditOptions.__annotations__)
        raise TypeError(f"{min(unknown)} is not an option; allowed are {allowed}")
    return EditCall(
        picture=contents_of(picture),
        directions=plain(options.get("directions") or {}),
        label=options.get("label"),
        iterations=options.get("iterations"),
        model=options.get("model"),
        version=options.get("version"),
    )
