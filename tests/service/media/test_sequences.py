"""Tokens as text."""

import numpy as np
import pytest

from mirage.bundle.format.details import Symbols
from mirage.service.media.sequences import UNKNOWN, decode, fasta, fits_fasta, lines


def tokens(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def test_a_sequence_ends_before_its_first_padding() -> None:
    words = Symbols(alphabet="ab-", padding="-")
    assert decode(tokens(0, 1, 2, 0), words) == "ab"
    assert decode(tokens(2, 2), words) == ""
    assert decode(tokens(0, 1, 2, 0), Symbols(alphabet="ab-", padding=None)) == "ab-a"


def test_a_token_beyond_the_alphabet_is_marked() -> None:
    assert decode(tokens(0, 255), Symbols(alphabet="ab", padding=None)) == f"a{UNKNOWN}"


def test_lines_are_utf_8() -> None:
    assert lines(["é", ""]) == "é\n\n".encode()


def test_fasta_wraps_long_sequences() -> None:
    assert (
        fasta(["1-0", "1-1 x"], ["A" * 100, ""])
        == f">1-0\n{'A' * 80}\n{'A' * 20}\n>1-1 x\n".encode()
    )


@pytest.mark.parametrize(
    ("alphabet", "padding", "fits"),
    [("ACGT", None, True), ("ACGT-*", None, True), ("_ACGT", "_", True), ("_ACGT", None, False)],
)
def test_fasta_holds_letters_gaps_and_stops(alphabet: str, padding: str | None, fits: bool) -> None:
    assert fits_fasta(Symbols(alphabet=alphabet, padding=padding)) == fits
