"""Which medium samples are of: the one place that chooses it by its meaning."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from mirage.training.media.images import Images
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens

AnyMedium = Annotated[Images | Sound | Tokens, Field(discriminator="meaning")]
SequenceMedium = Annotated[Sound | Tokens, Field(discriminator="meaning")]

_MEDIA: TypeAdapter[Images | Sound | Tokens] = TypeAdapter(AnyMedium)


def medium_of(sheet: dict[str, Any]) -> Images | Sound | Tokens:
    """The medium of the data that a run records as `sheet`."""
    if medium := sheet.get("medium"):
        return _MEDIA.validate_python(medium)
    height, width, channels = sheet["shape"]
    return _MEDIA.validate_python(
        {"meaning": "images", "height": height, "width": width, "channels": channels}
    )
