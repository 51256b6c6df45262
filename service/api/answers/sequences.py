"""Answers of sequences."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.answers.made import Made, Packed
from mirage.service.api.content.negotiation import JSON, MULTIPART, NPY, Layout, Offer
from mirage.service.media.encoding import ZIP
from mirage.service.media.sequences import FASTA, TEXT, decode, fasta, fits_fasta, lines

CHARSET = "; charset=utf-8"


class Sequences:
    """Text with one sequence a line, and FASTA if the alphabet allows it."""

    listed, quick = "sequences", TEXT

    @property
    def packers(self) -> Mapping[str, Callable[[Made], Packed]]:
        """All sequences."""
        return {TEXT: _text, FASTA: _fasta}

    def offer(self, manifest: Manifest) -> Offer:
        """Text is the default."""
        assert manifest.sequence is not None
        types = (*((FASTA,) if fits_fasta(manifest.sequence) else ()), JSON, ZIP, MULTIPART, NPY)
        return Offer("sequence", (TEXT, *types), TEXT)

    def items(self, made: Made, layout: Layout) -> list[dict[str, Any]]:
        """The sequences as strings."""
        return [
            {**made.described(number), "sequence": text}
            for number, text in enumerate(_texts(made.rows, made.manifest))
        ]

    def walk_types(self, manifest: Manifest) -> tuple[str, ...]:
        """Text, or a ZIP of texts."""
        return (TEXT, ZIP)

    def walk(self, media: str, rows: NDArray[Any], manifest: Manifest, duration_ms: int) -> bytes:
        """A line for each step."""
        return lines(_texts(rows, manifest))


def _texts(rows: NDArray[Any], manifest: Manifest) -> Iterator[str]:
    assert manifest.sequence is not None
    return (decode(row, manifest.sequence) for row in rows)


def _text(made: Made) -> Packed:
    return Packed(lines(_texts(made.rows, made.manifest)), TEXT + CHARSET)


def _fasta(made: Made) -> Packed:
    titles = (_title(made, number) for number in range(len(made.rows)))
    return Packed(fasta(titles, _texts(made.rows, made.manifest)), FASTA + CHARSET)


def _title(made: Made, number: int) -> str:
    """`seed-index class`; of posted latents `latents-index class`."""
    seed = "latents" if made.job.seed is None else made.job.seed
    title = f"{seed}-{made.job.index + number}"
    name = made.class_name(number)
    return title if name is None else f"{title} {name}"
