"""Training data of the preset `dna`: the beginnings of open reading frames of a genome, as FASTA.

>NC_008253.1:190-255+
ATGAAACGCATTAGCACCACC…
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import DataError

GENOME = Path("/usr/share/doc/bowtie/examples/genomes/NC_008253.fna.gz")
"""Escherichia coli 536: 4.9 million base pairs."""
PACKAGE = "bowtie-examples"
START = "ATG"
STOPS = frozenset(("TAA", "TAG", "TGA"))
COMPLEMENT = str.maketrans("ACGT", "TGCA")
LENGTH = 96
LEAST = 300
"""Nucleotides of a reading frame. Chance rarely makes frames of a hundred codons without a stop."""
MOST_SHARED = 0.1
"""The share of a reading frame that longer ones may cover; most others lie in the wrong frame of a
gene."""


@dataclass(frozen=True)
class Frame:
    """A reading frame from its start codon to its stop codon.

    begin, end: on the forward strand, from 0, without `end`. text: in reading direction.
    """

    begin: int
    end: int
    strand: str
    text: str


def write_coding_dna(genome: Path, file: Path, length: int = LENGTH, least: int = LEAST) -> int:
    """Write the first `length` nucleotides of each reading frame; return their number.

    genome: FASTA, or FASTA compressed by gzip. least: nucleotides of a frame with its stop codon.
    Raises DataError if the genome cannot be read or has no such frames.
    """
    if length % 3 or not 3 <= length < least:
        raise DataError(f"{length} nucleotides; allowed are multiples of 3 below {least}")
    entries: dict[str, str] = {}
    for name, sequence in read_genome(genome):
        for frame in separate(find_frames(sequence, least), len(sequence)):
            text = frame.text[:length]
            if set(text) <= set("ACGT"):
                place = f"{name}:{frame.begin + 1}-{frame.end}{frame.strand}"
                entries.setdefault(text, place)
    if not entries:
        raise DataError(f"{genome} has no reading frames of {least} nucleotides")
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as opened:
        opened.write("".join(f">{place}\n{text}\n" for text, place in entries.items()).encode())
    return len(entries)


def read_genome(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the upper-case sequence of each entry of a FASTA file."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("ascii")
    except FileNotFoundError as error:
        reason = f"{path} is missing; Debian's package {PACKAGE} installs {GENOME}"
        raise DataError(reason) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    for entry in text.split(">")[1:]:
        header, _, body = entry.partition("\n")
        words = header.replace("|", " ").split()
        accession = next((word for word in words if word.startswith("NC_")), "")
        yield accession or (words[0] if words else "genome"), "".join(body.split()).upper()


def find_frames(sequence: str, least: int) -> Iterator[Frame]:
    """Yield the frames of both strands from the first start codon after a stop to the next stop."""
    size = len(sequence)
    for strand, text in (("+", sequence), ("-", sequence.translate(COMPLEMENT)[::-1])):
        for offset in range(3):
            for first, last in _open_parts(text, offset):
                if last - first >= least:
                    begin, end = (first, last) if strand == "+" else (size - last, size - first)
                    yield Frame(begin, end, strand, text[first:last])


def _open_parts(text: str, offset: int) -> Iterator[tuple[int, int]]:
    first = None
    for place in range(offset, len(text) - 2, 3):
        codon = text[place : place + 3]
        if codon == START and first is None:
            first = place
        elif codon in STOPS:
            if first is not None:
                yield first, place + 3
            first = None


def separate(frames: Iterator[Frame], size: int) -> list[Frame]:
    """The longest frames that overlap little, in the order of the genome of `size` nucleotides."""
    taken, chosen = np.zeros(size, bool), []
    for frame in sorted(frames, key=lambda frame: (frame.begin - frame.end, frame.begin)):
        part = slice(frame.begin, frame.end)
        if taken[part].mean() <= MOST_SHARED:
            taken[part] = True
            chosen.append(frame)
    return sorted(chosen, key=lambda frame: frame.begin)
