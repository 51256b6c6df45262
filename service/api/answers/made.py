"""What a model has made for a request, and the body that says so."""

import base64
from typing import Any, NamedTuple

from numpy.typing import NDArray

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest
from mirage.service.media.encoding import Compression
from mirage.service.media.files import Row, item_file
from mirage.service.tasks.generate import GenerateJob


class Made(NamedTuple):
    """Generated items `[n, …]`, as the model's output, with their model and job."""

    manifest: Manifest
    job: GenerateJob
    rows: NDArray[Any]
    compression: Compression = "fast"
    enlarged_by: str | None = None  # the name and version of another model

    @property
    def model(self) -> str:
        """Name and version, for X-Model."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def file(self, row: Row) -> bytes:
        """Encode an item or a contact sheet as a file of its own."""
        return item_file(self.manifest).encode(row, self.manifest, self.compression)

    def base64(self, row: Row) -> str:
        """The same as text."""
        return base64.b64encode(self.file(row)).decode()

    def label(self, number: int) -> int | None:
        """Return the class index of an item; None for unconditional models."""
        return None if self.job.labels is None else int(self.job.labels[number])

    def class_name(self, number: int) -> str | None:
        """Return the class of an item; None for unconditional models."""
        label = self.label(number)
        return None if label is None else self.manifest.labels[label]

    def member(self, number: int) -> int | None:
        """Return the version that made an item of an ensemble; otherwise None."""
        if not self.manifest.members or self.job.seed is None:
            return None
        return member_of(self.manifest, self.job.seed, self.job.index + number).version

    def origin(
        self, number: int, label: int | None, member: int | None
    ) -> dict[str, str | int | None]:
        """What reproduces an item, for JSON."""
        origin: dict[str, str | int | None] = {
            "seed": None if self.job.seed is None else str(self.job.seed),
            "index": self.job.index + number,
            "label": label,
            "class": None if label is None else self.manifest.labels[label],
        }
        return origin | {"member": member} if self.manifest.members else origin

    def described(self, number: int) -> dict[str, str | int | None]:
        """What reproduces an item, with its class and its member of an ensemble."""
        return self.origin(number, self.label(number), self.member(number))


class Packed(NamedTuple):
    """A body and its Content-Type."""

    body: bytes
    media_type: str
