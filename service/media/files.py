"""The file of one item that a model has made: one object for each meaning of an output."""

from typing import Any, Protocol

from numpy.typing import NDArray

from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.manifest import Manifest
from mirage.service.media.encoding import PNG, Compression, encode_png
from mirage.service.media.sequences import TEXT, decode, lines
from mirage.service.media.sounds import WAV, encode_wav

Row = NDArray[Any]  # one item: pixels [H, W, C], samples [T] or tokens [L]


class ItemFile(Protocol):
    """How one item is written as a file."""

    @property
    def suffix(self) -> str:
        """Of the name of a file."""

    @property
    def media_type(self) -> str:
        """Of its contents."""

    def encode(self, row: Row, manifest: Manifest, compression: Compression) -> bytes:
        """The contents. compression: of PNGs."""


class ImageFile:
    """A PNG."""

    suffix, media_type = ".png", PNG

    def encode(self, row: Row, manifest: Manifest, compression: Compression) -> bytes:
        """Encode pixels uint8 `[H, W, C]`."""
        return encode_png(row, compression)


class SoundFile:
    """A WAV."""

    suffix, media_type = ".wav", WAV

    def encode(self, row: Row, manifest: Manifest, compression: Compression) -> bytes:
        """Encode samples int16 `[T]`."""
        assert manifest.sound is not None
        return encode_wav(row, manifest.sound.sample_rate)


class SequenceFile:
    """A line of text."""

    suffix, media_type = ".txt", TEXT

    def encode(self, row: Row, manifest: Manifest, compression: Compression) -> bytes:
        """Encode tokens uint8 `[L]`."""
        assert manifest.sequence is not None
        return lines([decode(row, manifest.sequence)])


FILES: dict[OutputMeaning, ItemFile] = {
    "images": ImageFile(),
    "audio": SoundFile(),
    "tokens": SequenceFile(),
}


def item_file(manifest: Manifest) -> ItemFile:
    """How the items of a model are written."""
    return FILES[manifest.made]
