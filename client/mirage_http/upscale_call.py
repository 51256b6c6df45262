"""The parameters of a call to enlarge or translate a picture."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict

Buffer = bytes | bytearray | memoryview
PictureFile = Buffer | str | os.PathLike[str] | BinaryIO  # contents, path, or open file


class UpscaleOptions(TypedDict, total=False):
    """Options of `upscale` and `upscale_to_file`; None uses the server's default.

    - `scale`: 1 < s ≤ the model's scale, which is the default.
    - `model`, `version`: default: the server's default upscaler and its released version.
    """

    scale: float | None
    model: str | None
    version: int | None


class TranslateOptions(TypedDict, total=False):
    """Options of `translate` and `translate_to_file`; None uses the server's default.

    - `model`, `version`: default: the server's default translator and its released version.
    """

    model: str | None
    version: int | None


@dataclass(frozen=True)
class UpscaleCall:
    """A call to enlarge or translate a picture, the bytes of a PNG, JPEG or WebP file.

    task: `upscale` or `translate`, the name of the route.
    """

    picture: bytes
    scale: float | None
    model: str | None
    version: int | None
    task: str = "upscale"

    def query(self) -> dict[str, str]:
        """The query of the request."""
        scale = None if self.scale is None else f"{self.scale:g}"
        fields = {"scale": scale, "model": self.model, "version": self.version}
        return {name: str(value) for name, value in fields.items() if value is not None}


def make_upscale_call(picture: PictureFile, options: UpscaleOptions) -> UpscaleCall:
    """Read the picture and build a call; the server checks the values.

    Raises TypeError for an unknown option, and OSError if the picture cannot be read.
    """
    if unknown := options.keys() - UpscaleOptions.__annotations__.keys():
        allowed = ", ".join(UpscaleOptions.__annotations__)
        raise TypeError(f"{min(unknown)} is not an option; allowed are {allowed}")
    return UpscaleCall(
        picture=contents_of(picture),
        scale=options.get("scale"),
        model=options.get("model"),
        version=options.get("version"),
    )


def make_translate_call(picture: PictureFile, options: TranslateOptions) -> UpscaleCall:
    """Like `make_upscale_call`, to draw a picture in another style."""
    if unknown := options.keys() - TranslateOptions.__annotations__.keys():
        allowed = ", ".join(TranslateOptions.__annotations__)
        raise TypeError(f"{min(unknown)} is not an option; allowed are {allowed}")
    model, version = options.get("model"), options.get("version")
    return UpscaleCall(contents_of(picture), None, model, version, "translate")


def contents_of(picture: PictureFile) -> bytes:
    """The bytes of a picture; raises OSError if it cannot be read."""
    if isinstance(picture, Buffer):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        return Path(picture).read_bytes()
    return picture.read()
