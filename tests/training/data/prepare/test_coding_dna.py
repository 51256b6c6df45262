import gzip
from pathlib import Path

import pytest

from mirage.training.__main__ import main
from mirage.training.data.prepare.coding_dna import (
    COMPLEMENT,
    Frame,
    find_frames,
    separate,
    write_coding_dna,
)
from mirage.training.errors import DataError

GENE = "ATG" + "GCA" * 110 + "TAA"
OTHER = "ATG" + "CTG" * 110 + "TGA"
SEQUENCE = f"CC{GENE}CCCC{OTHER.translate(COMPLEMENT)[::-1]}C"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fna.gz"
    lines = "\n".join(SEQUENCE[n : n + 70] for n in range(0, len(SEQUENCE), 70))
    path.write_bytes(gzip.compress(f">gi|1|ref|NC_1.1| a genome\n{lines.lower()}\n".encode()))
    return path


def test_writes_the_beginnings_of_genes_on_both_strands(
    tmp_path: Path, genome: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dna" / "coding.fasta"
    assert main(["prepare-coding-dna", str(genome), "--to", str(file)]) == 0
    assert "2 sequences of 96 nucleotides" in capsys.readouterr().out
    lines = file.read_text().splitlines()
    assert lines[0] == ">NC_1.1:3-338+"
    assert lines[1] == GENE[:96]
    assert lines[2] == ">NC_1.1:343-678-"
    assert lines[3] == OTHER[:96]


def test_a_frame_goes_from_the_first_start_codon_to_the_next_stop_codon() -> None:
    text = "TAAATGATGGCATAGATGCCCTGA"
    frames = [frame for frame in find_frames(text, 6) if frame.strand == "+"]
    assert [frame.text for frame in frames] == ["ATGATGGCATAG", "ATGCCCTGA"]
    assert [(frame.begin, frame.end) for frame in frames] == [(3, 15), (15, 24)]


def test_of_overlapping_frames_the_longest_stays() -> None:
    long, shadow, apart = Frame(0, 300, "+", ""), Frame(40, 260, "-", ""), Frame(290, 500, "+", "")
    assert separate(iter((shadow, apart, long)), 500) == [long, apart]


def test_other_symbols_than_nucleotides_are_left_out(tmp_path: Path) -> None:
    genome = tmp_path / "genome.fna"
    genome.write_text(f">one\n{GENE}\n>two\n{OTHER.replace('CTG', 'CTN')}\n")
    assert write_coding_dna(genome, tmp_path / "coding.fasta") == 1


def test_a_missing_genome_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is missing; Debian's package bowtie-examples"):
        write_coding_dna(tmp_path / "none", tmp_path / "coding.fasta")


def test_a_damaged_archive_is_an_error(tmp_path: Path, genome: Path) -> None:
    genome.write_bytes(genome.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        write_coding_dna(genome, tmp_path / "coding.fasta")


def test_a_genome_without_genes_is_an_error(tmp_path: Path) -> None:
    genome = tmp_path / "genome.fna"
    genome.write_text(">short\nATGTAA\n")
    with pytest.raises(DataError, match="no reading frames of 300"):
        write_coding_dna(genome, tmp_path / "coding.fasta")


@pytest.mark.parametrize("length", [0, 97, 300])
def test_the_length_is_whole_codons_within_the_frame(
    tmp_path: Path, genome: Path, length: int
) -> None:
    with pytest.raises(DataError, match="multiples of 3 below 300"):
        write_coding_dna(genome, tmp_path / "coding.fasta", length)
