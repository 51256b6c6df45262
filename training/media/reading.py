"""Which medium samples are of: the one place that chooses it by its meaning."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.manifest import Description
from mirage.training.media.images import Images
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens

AnyMedium = Annotated[Images | Sound | Tokens, Field(discriminator="meaning")]
SequenceMedium = Annotated[Sound | Tokens, Field(discriminator="meaning")]

_MEDIA: TypeAdapter[Images | Sound | Tokens] = TypeAdapter(AnyMedium)


def medium_of_bundle(description: Description) -> Images | Sound | Tokens:
    """The medium of what a generator makes."""
    return MADE[description.made](description)


def _images(description: Description) -> Images:
    return Images(**description.image.model_dump())


def _sound(description: Description) -> Sound:
    details, (_, length) = description.sound, description.outputs[0].sizes
    assert details  # as every manifest with audio has
    return Sound(length=length or 0, sample_rate=details.sample_rate)


def _tokens(description: Description) -> Tokens:
    details, (_, length) = description.sequence, description.outputs[0].sizes
    assert details  # as every manifest with tokens has
    return Tokens(length=length or 0, alphabet=details.alphabet, padding=details.padding)


MADE: dict[OutputMeaning, Callable[[Description], Images | Sound | Tokens]] = {
    "images": _images,
    "audio": _sound,
    "tokens": _tokens,
}


def medium_of(sheet: dict[str, Any]) -> Images | Sound | Tokens:
    """The medium of the data that a run records as `sheet`."""
    if "medium" in sheet:
        return _MEDIA.validate_python(sheet["medium"])
    height, width, channels = sheet["shape"]
    return _MEDIA.validate_python(
        {"meaning": "images", "height": height, "width": width, "channels": channels}
    )


def noun_of(sheet: dict[str, Any]) -> str:
    """What the samples that a run is shown are called; all but sounds and sequences are images."""
    return medium_of(sheet).noun if "medium" in sheet else "images"
