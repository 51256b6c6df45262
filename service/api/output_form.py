"""Describes the form of what a model makes."""

from pydantic import Field

from mirage.bundle.format.details import Sound, Symbols
from mirage.bundle.format.interface import Image
from mirage.bundle.format.manifest import Manifest


class SoundDetail(Sound):
    """The form of a sound: 16 bits, one channel."""

    samples: int = Field(description="of each sound", examples=[8000])


class SequenceDetail(Symbols):
    """The form of a sequence: token i is character i of the alphabet."""

    tokens: int = Field(description="of each sequence, with its padding", examples=[96])


def describe_form(manifest: Manifest) -> dict[str, Image | SoundDetail | SequenceDetail]:
    """The form of what a model makes, by the name of its field; none for pictures of any size."""
    if manifest.sound is not None:
        return {"sound": SoundDetail(**dict(manifest.sound), samples=manifest.positions)}
    if manifest.sequence is not None:
        return {"sequence": SequenceDetail(**dict(manifest.sequence), tokens=manifest.positions)}
    return {} if manifest.pictures else {"image": manifest.image}
