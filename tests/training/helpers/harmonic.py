"""A small architecture of family `harmonic`."""

from mirage.training.media.sound import Sound
from mirage.training.networks.harmonic import HarmonicArchitecture
from tests.training.helpers.sequences import sequence_architecture


def harmonic_architecture(length: int = 500, num_classes: int = 3) -> HarmonicArchitecture:
    values = sequence_architecture(
        Sound(length=length, sample_rate=8000), num_classes=num_classes
    ).model_dump()
    more = {"family": "harmonic", "pitches": (65, 230), "discriminator_widths": (8, 8, 8)}
    return HarmonicArchitecture.model_validate(values | more)
