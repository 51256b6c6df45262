from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from mirage.bundle.format.manifest import Score, ScoreName
from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.media.sequences import KmerFeatures, SequenceYardstick
from mirage.training.evaluation.reference import Split
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.media.tokens import Tokens
from tests.generators import ToySequences

CODONS = ("GCA", "CTG", "AAC", "GGT", "CGA")
SIZES = Sizes(
    generated=40, reference=80, covered=20, kernel_subset=20, kernel_subsets=5, fit_images=240
)
SPLIT = Split(reference=np.arange(80), held_out=np.arange(80, 120))
DNA = Tokens(length=24, alphabet="ACGT")
WORDS = Tokens(length=6, alphabet="abc_", padding="_")


def genes(seed: int = 0, count: int = 120) -> np.ndarray:
    """Sequences of eight codons, none of which is a stop."""
    rng = np.random.Generator(np.random.Philox(seed))
    texts = ["".join(rng.choice(CODONS, 8)) for _ in range(count)]
    return tokens(DNA, texts)


def tokens(medium: Tokens, texts: list[str]) -> np.ndarray:
    padded = [text.ljust(medium.length, medium.padding or " ") for text in texts]
    return np.array([[medium.alphabet.index(symbol) for symbol in text] for text in padded], "u1")


def data_of(stored: np.ndarray, medium: Tokens) -> Dataset:
    return Dataset(stored, None, (), fingerprint(stored, None, ()), recorded_medium=medium)


@pytest.fixture(scope="module")
def yardstick() -> SequenceYardstick:
    return SequenceYardstick(data_of(genes(), DNA), SPLIT, DNA)


def test_sequences_like_the_data_score_like_the_floor(yardstick: SequenceYardstick) -> None:
    scores, floor = yardstick.measure(genes(seed=1, count=40)), yardstick.floor()
    assert scores.keys() == floor.keys()
    assert scores["open"] == floor["open"] == 1
    for name in ("kmers_3", "codons"):
        assert scores[name] < 0.15
    assert scores["length"] == floor["length"] == 24


def test_shuffled_nucleotides_keep_only_the_shares_of_single_ones(
    yardstick: SequenceYardstick,
) -> None:
    own = genes(seed=1, count=40)
    shuffled = np.random.Generator(np.random.Philox(2)).permuted(own, axis=1)
    scores, floor = yardstick.measure(shuffled), yardstick.floor()
    assert scores["kmers_1"] < 0.05 < scores["kmers_2"]
    assert scores["codons"] > 3 * floor["codons"]
    assert scores["open"] < 0.9


def test_copies_are_neither_novel_nor_distant(yardstick: SequenceYardstick) -> None:
    copied = np.repeat(genes()[:20], 2, axis=0)
    scores = yardstick.measure(copied)
    names = ("novel", "distant", "mismatches", "unique", "apart")
    assert [scores[name] for name in names] == [0, 0, 0, 0, 0]


def test_nearly_copied_sequences_are_novel_and_not_distant(yardstick: SequenceYardstick) -> None:
    changed = genes()[:40].copy()
    changed[:, :3] = (changed[:, :3] + 1) % 4
    scores = yardstick.measure(changed)
    assert scores["novel"] == 1
    assert scores["distant"] < 0.2
    assert scores["mismatches"] <= 3


def test_held_out_sequences_are_not_their_own_copies(yardstick: SequenceYardstick) -> None:
    assert yardstick.floor()["novel"] == 1


def test_texts_end_with_their_padding() -> None:
    texts = ["ab", "abc", "abca", "bca", "cab", "acb"] * 20
    yardstick = SequenceYardstick(data_of(tokens(WORDS, texts), WORDS), SPLIT, WORDS)
    after_end = tokens(WORDS, ["ab", "abc"] * 20)
    after_end[:, -1] = 1  # a symbol after the padding, which is not part of the text
    scores = yardstick.measure(after_end)
    assert scores["length"] == 2.5
    assert scores["novel"] == 0
    assert "open" not in scores


def test_features_are_roots_of_shares() -> None:
    features, classes = KmerFeatures(WORDS)(tokens(WORDS, ["abab", ""]))
    assert classes is None
    assert features[0, :4] == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0, 0])
    assert not features[1].any()


def test_networks_of_other_alphabets_are_told_apart() -> None:
    assert KmerFeatures(WORDS).sha256 == KmerFeatures(WORDS).sha256 != KmerFeatures(DNA).sha256


def test_evaluates_an_exported_generator(tmp_path: Path) -> None:
    toy = ToySequences(labels=(), length=24)
    rng = np.random.Generator(np.random.Philox(0))
    medium = Tokens(length=24, alphabet=toy.alphabet, padding=toy.padding)
    stored = rng.integers(0, len(toy.alphabet), (120, 24), dtype=np.uint8)
    data = replace(data_of(stored, medium), groups=np.arange(120) % 12)  # which are for images
    evaluator = Evaluator(data, sizes=SIZES, cache=tmp_path)
    card = evaluator.score(toy.model().SerializeToString(), seeds=2)
    assert card.network == "shares of k-mers"
    assert {"coverage", "frechet", "kmers_3", "novel"} <= card.scores.keys()
    assert "memorised_groups" not in card.scores
    assert all(score.floor is not None for score in card.scores.values())
    assert card.spread["kmers_3"] >= 0
    TypeAdapter(dict[ScoreName, Score]).validate_python(card.scores)  # a manifest takes them
