"""Frequencies of k-mers, which are parts of k successive symbols, and other facts of sequences.

Sequences are int64 [N, L] of tokens below `symbols`; from the end of a shorter sequence on, tokens
are equal to `symbols` (`Tokens.visible`).
"""

import numpy as np

STOPS = ("TAA", "TAG", "TGA")


def kmer_codes(sequences: np.ndarray, k: int, symbols: int, step: int = 1) -> np.ndarray:
    """The k-mers of all sequences as numbers int64 [M]: digits of base `symbols`.

    step: symbols between k-mers; k and step 3 give the codons in frame.
    """
    if k > sequences.shape[1]:
        return np.empty(0, np.int64)
    parts = np.lib.stride_tricks.sliding_window_view(sequences, k, axis=1)[:, ::step]
    whole = (parts < symbols).all(axis=2)
    digits = symbols ** np.arange(k, dtype=np.int64)
    return (parts[whole] * digits).sum(1)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Jensen-Shannon distance in [0, 1] between the frequencies of numbers int64 [N] and [M].

    The square root of the divergence with logarithms to base 2 (Endres & Schindelin 2003). Finite
    samples of one distribution differ, so compare it with that of real sequences of the same N.
    """
    if not len(a) or not len(b):
        return float(len(a) != len(b))
    kinds = np.unique(np.concatenate([a, b]))
    shares = [
        np.bincount(np.searchsorted(kinds, side), minlength=len(kinds)) / len(side)
        for side in (a, b)
    ]
    middle = (shares[0] + shares[1]) / 2
    return float(np.sqrt(max(0.0, sum(_divergence(side, middle) for side in shares) / 2)))


def _divergence(shares: np.ndarray, middle: np.ndarray) -> float:
    found = shares > 0
    return float((shares[found] * np.log2(shares[found] / middle[found])).sum())


def lengths(sequences: np.ndarray, symbols: int) -> np.ndarray:
    """The number of symbols of each sequence: int64 [N]."""
    return (sequences < symbols).sum(1)


def open_share(sequences: np.ndarray, alphabet: str) -> float:
    """The share in [0, 1] of nucleotide sequences without a stop codon in frame."""
    numbers = {symbol: number for number, symbol in enumerate(alphabet)}
    digits = len(alphabet) ** np.arange(3)
    stops = [np.dot([numbers[symbol] for symbol in stop], digits) for stop in STOPS]
    whole = sequences[:, : sequences.shape[1] // 3 * 3]
    codons = (whole.reshape(len(whole), -1, 3) * digits).sum(2)
    return float(np.mean(~np.isin(codons, stops).any(axis=1)))


ROWS = 64
BLOCK_BYTES = 8 << 20
"""Bytes of the one-hot vectors that sequences are compared with at a time; at least one vector."""


def nearest_mismatches(
    sequences: np.ndarray, among: np.ndarray, symbols: int, itself: bool = False
) -> np.ndarray:
    """Hamming distance of each sequence [N, L] to the nearest of [M, L]: int64 [N].

    itself: whether `among` are the sequences, whose distance to themselves does not count. Products
    of one-hot vectors count equal places, in blocks, so that M may be large.
    """
    size = sequences.shape[1]
    block = max(1, BLOCK_BYTES // (4 * size * (symbols + 1)))
    most = np.full(len(sequences), -1, np.int64)
    for first in range(0, len(among), block):
        there = one_hot(among[first : first + block], symbols)
        for start in range(0, len(sequences), ROWS):
            equal = one_hot(sequences[start : start + ROWS], symbols) @ there.T
            if itself:
                own = start + np.arange(len(equal))[:, None]
                equal[own == first + np.arange(len(there))] = -1
            part = most[start : start + ROWS]
            np.maximum(part, equal.max(1).astype(np.int64), out=part)
    return size - most


def one_hot(sequences: np.ndarray, symbols: int) -> np.ndarray:
    """float32 [N, L * (symbols + 1)], 1 at each token; the end counts as a symbol."""
    vectors = np.zeros((*sequences.shape, symbols + 1), np.float32)
    np.put_along_axis(vectors, sequences[..., None], 1, axis=2)
    return vectors.reshape(len(sequences), -1)
