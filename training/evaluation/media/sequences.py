"""Scores of sequences of symbols: k-mers, lengths, novelty, and reading frames of nucleotides."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.feature_networks import FeatureNetwork
from mirage.training.evaluation.media.kmers import (
    distance,
    kmer_codes,
    lengths,
    nearest_mismatches,
    open_share,
)
from mirage.training.evaluation.reference import Split, scatter
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.media.tokens import Tokens

LONGEST = 6
"""k of the longest k-mers that are compared."""
FEATURES = 800
"""k-mers of a length are features if there are at most so many."""
SOUGHT = 1_000
"""Sequences whose nearest neighbours are sought."""
FEW_MISMATCHES = 3
NUCLEOTIDES = frozenset("ACGT")
CHUNK = 1_024


class KmerFeatures:
    """The square roots of the shares of short k-mers in a sequence; no network is involved."""

    name = "shares of k-mers"

    def __init__(self, medium: Tokens) -> None:
        self._medium = medium
        symbols = len(medium.alphabet)
        self._sizes = [k for k in range(1, LONGEST + 1) if k == 1 or symbols**k <= FEATURES]
        self.sha256 = hashlib.sha256(repr((self.name, medium, self._sizes)).encode()).hexdigest()

    def __call__(self, tokens: np.ndarray) -> tuple[np.ndarray, None]:
        """Map uint8 [N, L] to features float32 [N, D], and None for classes."""
        rows = self._medium.visible(tokens)
        parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return np.concatenate([self._features(part) for part in parts]), None

    def _features(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([self._shares(rows, k) for k in self._sizes], axis=1)

    def _shares(self, rows: np.ndarray, k: int) -> np.ndarray:
        symbols = len(self._medium.alphabet)
        counts = np.stack(
            [np.bincount(kmer_codes(row[None], k, symbols), minlength=symbols**k) for row in rows]
        )
        return np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)


class SequenceYardstick:
    """Distances of k-mers to the reference, and comparisons with the training sequences."""

    has_patches = False

    def __init__(self, train: Dataset, split: Split, medium: Tokens) -> None:
        self._train, self._split, self._medium = train, split, medium
        self._symbols = len(medium.alphabet)

    def network(self, sizes: Sizes, cache: Path | None) -> FeatureNetwork:
        return KmerFeatures(self._medium)

    def fast_sizes(self, models: Sequence[bytes], seeds: int) -> Sizes:
        return Sizes.of(len(self._train), fast=True)

    def measure(self, stored: np.ndarray) -> dict[str, float]:
        return self._measure(stored, self._known)

    def floor(self) -> dict[str, float]:
        others = np.delete(self._known, self._split.held_out, axis=0)
        return self._measure(self._train.images[self._split.held_out], others)

    def _measure(self, stored: np.ndarray, known: np.ndarray) -> dict[str, float]:
        rows = self._medium.visible(stored)
        return {
            **self._distances(rows),
            "length": float(lengths(rows, self._symbols).mean()),
            **self._novelty(rows, known),
            **self._frames(rows),
        }

    def _distances(self, rows: np.ndarray) -> dict[str, float]:
        longest = min(LONGEST, self._medium.length)
        return {
            f"kmers_{k}": distance(self._codes(rows, k), self._codes(self._reference, k))
            for k in range(1, longest + 1)
        }

    def _codes(self, rows: np.ndarray, k: int, step: int = 1) -> np.ndarray:
        return kmer_codes(rows, k, self._symbols, step)

    def _novelty(self, rows: np.ndarray, known: np.ndarray) -> dict[str, float]:
        """Shares of sequences by their distance to training sequences, and to each other.

        novel: in no training sequence's place. distant: none within three mismatches. mismatches:
        to the nearest training sequence, on average. unique: generated once. apart: mismatches to
        the nearest other sequence, on average.
        """
        some = rows[scatter(len(rows))[:SOUGHT]]
        nearest = nearest_mismatches(some, known, self._symbols)
        others = nearest_mismatches(some, some, self._symbols, itself=True)
        _, which, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        texts = set(map(bytes, known.astype(np.uint16)))
        novel = [bytes(row) not in texts for row in rows.astype(np.uint16)]
        return {
            "novel": float(np.mean(novel)),
            "distant": float(np.mean(nearest > FEW_MISMATCHES)),
            "mismatches": float(nearest.mean()),
            "unique": float(np.mean(counts[which.reshape(-1)] == 1)),
            "apart": float(others.mean()),
        }

    def _frames(self, rows: np.ndarray) -> dict[str, float]:
        alphabet = self._medium.alphabet
        if set(alphabet) - set(self._medium.padding or "") != NUCLEOTIDES:
            return {}
        codons = distance(self._codes(rows, 3, 3), self._codes(self._reference, 3, 3))
        return {"open": open_share(rows, alphabet), "codons": codons}

    @cached_property
    def _known(self) -> np.ndarray:
        return self._medium.visible(np.asarray(self._train.images))

    @cached_property
    def _reference(self) -> np.ndarray:
        return self._known[self._split.reference]
