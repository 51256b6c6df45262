import numpy as np
import pytest

from mirage.training.evaluation.media import kmers
from mirage.training.evaluation.media.kmers import (
    distance,
    kmer_codes,
    lengths,
    nearest_mismatches,
    open_share,
)

END = 4


def rows(*texts: str) -> np.ndarray:
    """Sequences of A, C, G and T; a dot is the end."""
    return np.array([["ACGT.".index(symbol) for symbol in text] for text in texts])


def test_kmers_overlap() -> None:
    codes = kmer_codes(rows("ACG", "ACG"), 2, 4)
    assert sorted(codes) == sorted([4, 4, 1 + 2 * 4, 1 + 2 * 4])


def test_codons_in_frame_do_not_overlap() -> None:
    assert len(kmer_codes(rows("ATGGCATAA"), 3, 4, step=3)) == 3


def test_kmers_end_with_the_sequence() -> None:
    assert len(kmer_codes(rows("ACGT", "AC.."), 2, 4)) == 3 + 1


def test_sequences_shorter_than_k_have_none() -> None:
    assert len(kmer_codes(rows("AC"), 3, 4)) == 0


def test_the_distance_is_zero_for_equal_shares_and_one_for_disjoint_ones() -> None:
    assert distance(np.array([1, 2]), np.array([2, 1, 1, 2])) == 0
    assert distance(np.array([1]), np.array([2, 3])) == pytest.approx(1)


def test_the_distance_follows_its_definition() -> None:
    # shares (1, 0) and (1/2, 1/2): half of log2(4/3), and half of (log2(2/3) + log2(2)) / 2
    expected = (np.log2(4 / 3) + (np.log2(2 / 3) + np.log2(2)) / 2) / 2
    assert distance(np.array([5]), np.array([5, 7])) == pytest.approx(np.sqrt(expected))


def test_nothing_is_as_far_as_possible_from_something() -> None:
    nothing = np.empty(0, np.int64)
    assert distance(nothing, np.array([1])) == 1
    assert distance(nothing, nothing) == 0


def test_lengths_end_before_the_padding() -> None:
    assert lengths(rows("ACG.", "ACGT", "...."), 4).tolist() == [3, 4, 0]


@pytest.mark.parametrize(
    ("text", "share"), [("ATGGCA", 1.0), ("ATGTAA", 0.0), ("ATAGCA", 1.0), ("TGAGCATA", 0.0)]
)
def test_only_stop_codons_in_frame_count(text: str, share: float) -> None:
    assert open_share(rows(text), "ACGT") == share


def test_stop_codons_are_found_in_any_order_of_the_alphabet() -> None:
    sequence = np.array([["TGCA".index(symbol) for symbol in "ATGTAG"]])
    assert open_share(sequence, "TGCA") == 0


def test_mismatches_to_the_nearest_sequence() -> None:
    among = rows("AAAA", "ACGT", "AC..")
    assert nearest_mismatches(rows("ACGA", "TTTT", "ACG."), among, 4).tolist() == [1, 3, 1]


def test_a_sequence_is_not_its_own_neighbour() -> None:
    own = rows("AAAA", "AAAC", "GGGG")
    assert nearest_mismatches(own, own, 4, itself=True).tolist() == [1, 1, 4]


@pytest.mark.parametrize("itself", [False, True])
def test_the_nearest_sequence_is_found_among_many_blocks(
    monkeypatch: pytest.MonkeyPatch, itself: bool
) -> None:
    many = np.random.default_rng(0).integers(0, 5, (150, 9))
    some = many if itself else np.random.default_rng(1).integers(0, 5, (150, 9))
    whole = nearest_mismatches(some, many, 4, itself)
    monkeypatch.setattr(kmers, "BLOCK_BYTES", 4 * 9 * 5 * 7)  # seven sequences
    np.testing.assert_array_equal(nearest_mismatches(some, many, 4, itself), whole)
    differences = (some[:, None] != many).sum(2) + 9 * itself * np.eye(150, dtype=np.int64)
    np.testing.assert_array_equal(whole, differences.min(1))
