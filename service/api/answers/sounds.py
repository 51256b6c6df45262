"""Answers of sounds."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.answers.made import Made, Packed
from mirage.service.api.content.negotiation import JSON, MULTIPART, NPY, Layout, Offer
from mirage.service.media.encoding import ZIP
from mirage.service.media.sounds import FLAC, WAV, encode_flac, has_flac


class Sounds:
    """WAV, and FLAC where the package for it is installed."""

    listed, quick = "sounds", WAV

    @property
    def packers(self) -> Mapping[str, Callable[[Made], Packed]]:
        """One sound."""
        return {WAV: _wav, FLAC: _flac}

    def offer(self, manifest: Manifest) -> Offer:
        """A sound is a WAV by default, and several are a ZIP."""
        flac = (FLAC,) if has_flac() else ()
        types = (WAV, *flac, ZIP, MULTIPART, JSON, NPY)
        return Offer("sound", types, ZIP, single=(WAV, FLAC))

    def items(self, made: Made, layout: Layout) -> list[dict[str, Any]]:
        """The sounds as WAV."""
        return [
            {**made.described(number), "wav": made.base64(samples)}
            for number, samples in enumerate(made.rows)
        ]

    def walk_types(self, manifest: Manifest) -> tuple[str, ...]:
        """A ZIP of WAVs."""
        return (ZIP,)

    def walk(self, media: str, rows: NDArray[Any], manifest: Manifest, duration_ms: int) -> bytes:
        """There is no other type than ZIP."""
        raise ValueError(f"media is {media}; {ZIP} is allowed")


def _wav(made: Made) -> Packed:
    return Packed(made.file(made.rows[0]), WAV)


def _flac(made: Made) -> Packed:
    assert made.manifest.sound is not None
    return Packed(encode_flac(made.rows[0], made.manifest.sound.sample_rate), FLAC)
