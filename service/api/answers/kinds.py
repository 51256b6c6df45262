"""How outputs are answered: one object for each meaning."""

import hashlib
import io
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.manifest import Manifest
from mirage.service.api.answers.images import Images
from mirage.service.api.answers.made import Made, Packed
from mirage.service.api.answers.sequences import Sequences
from mirage.service.api.answers.sounds import Sounds
from mirage.service.api.content.negotiation import JSON, MULTIPART, NPY, Layout, Offer
from mirage.service.media.archive import Archive
from mirage.service.media.encoding import ZIP
from mirage.service.media.files import item_file


class Answers(Protocol):
    """What clients may ask for, and the bodies that only this meaning has."""

    @property
    def listed(self) -> str:
        """The name of the list of items in JSON."""

    @property
    def quick(self) -> str:
        """The type that is encoded faster than it is handed to a thread, if it is small."""

    @property
    def packers(self) -> Mapping[str, Callable[[Made], Packed]]:
        """The bodies, by type."""

    def offer(self, manifest: Manifest) -> Offer:
        """The types of answers."""

    def items(self, made: Made, layout: Layout) -> list[dict[str, Any]]:
        """The items for JSON."""

    def walk_types(self, manifest: Manifest) -> tuple[str, ...]:
        """The types of walks; earlier ones win ties."""

    def walk(self, media: str, rows: NDArray[Any], manifest: Manifest, duration_ms: int) -> bytes:
        """The body of a walk that is no ZIP."""


ANSWERS: dict[OutputMeaning, Answers] = {
    "images": Images(),
    "audio": Sounds(),
    "tokens": Sequences(),
}


def answers_of(manifest: Manifest) -> Answers:
    """How the outputs of a model are answered."""
    return ANSWERS[manifest.made]


def pack(media: str, made: Made, layout: Layout) -> Packed:
    """Encode what was made. Raises NotAcceptable for a contact sheet too large for WebP."""
    answers, manifest = answers_of(made.manifest), made.manifest
    if media == JSON:
        items = answers.items(made, layout)
        named = {"model": manifest.name, "version": manifest.version, answers.listed: items}
        return Packed(to_json(named), media)
    return {**PACKERS, **answers.packers}[media](made)


def _zip(made: Made) -> Packed:
    archive = Archive(item_file(made.manifest).suffix)
    return Packed(archive.add(map(made.file, made.rows)) + archive.end(), ZIP)


def _multipart(made: Made) -> Packed:
    parts = [
        b"\r\n".join((*_part_headers(made, number), b"", made.file(row)))
        for number, row in enumerate(made.rows)
    ]
    # A hash of the contents does not occur in them, and equal items give equal bytes.
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()[:32].encode()
    opened = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    media_type = f"{MULTIPART}; boundary={boundary.decode()}"
    return Packed(opened + b"--" + boundary + b"--\r\n", media_type)


def _part_headers(made: Made, number: int) -> list[bytes]:
    index = made.job.index + number
    lines = [f"Content-Type: {item_file(made.manifest).media_type}", f"Content-ID: <{index}>"]
    if made.job.seed is not None:
        lines.append(f"X-Seed: {made.job.seed}")
    lines.append(f"X-Index: {index}")
    if (label := made.label(number)) is not None:
        lines.append(f"X-Label: {label}")
    return [line.encode() for line in lines]


def _npy(made: Made) -> Packed:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, made.rows, version=(1, 0), allow_pickle=False)
    return Packed(buffer.getvalue(), NPY)


PACKERS: dict[str, Callable[[Made], Packed]] = {ZIP: _zip, MULTIPART: _multipart, NPY: _npy}
