from pathlib import Path

import numpy as np
import pytest

from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.sequences import parse_fasta, parse_lines
from mirage.training.errors import DataError, UsageError
from mirage.training.media.tokens import Tokens
from tests.training.helpers.files import write_tree, write_zip

FASTA = b">one first\nacg\nTT\n\n>two\nACGTA\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def written(folder: Path, text: str, name: str = "words.txt") -> Path:
    return write_tree(folder, {name: text.encode()}) / name


def test_a_text_file_has_a_sequence_in_each_line(tmp_path: Path, cache: Path) -> None:
    data = load_dataset(written(tmp_path, "cab\n\n  ab \nba\n"), cache=cache)
    assert data.medium == Tokens(length=3, alphabet="abc_", padding="_")
    assert data.images.tolist() == [[2, 0, 1], [0, 1, 3], [1, 0, 3]]
    assert data.classes == ()


def test_lines_end_as_those_of_files_do() -> None:
    assert list(parse_lines("a\u2028b\r\nc\rd\n")) == [
        ("0000001", "a\u2028b"),
        ("0000002", "c"),
        ("0000003", "d"),
    ]
    assert list(parse_fasta("x", ">one\u2028two\nac\r\ngt\n")) == [("one", "ACGT")]


def test_a_fasta_file_has_capitals_and_needs_no_padding(tmp_path: Path, cache: Path) -> None:
    file = write_tree(tmp_path, {"x.fasta": FASTA}) / "x.fasta"
    data = load_dataset(file, cache=cache)
    assert data.medium == Tokens(length=5, alphabet="ACGT")
    assert data.medium.texts(data.images) == ["ACGTT", "ACGTA"]


def test_files_are_classes(tmp_path: Path, cache: Path) -> None:
    data = load_dataset(
        write_tree(tmp_path / "data", {"en.txt": b"aa\nbb", "de.txt": b"cc"}), cache=cache
    )
    assert data.classes == ("de", "en")
    assert data.medium.texts(data.images) == ["cc", "aa", "bb"]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1]


def test_folders_are_classes_in_a_zip_file(tmp_path: Path, cache: Path) -> None:
    files = {"x/1.txt": b"ab", "x/2.txt": b"ba", "y/1.txt": b"bb"}
    data = load_dataset(write_zip(tmp_path / "data.zip", files), cache=cache)
    assert data.classes == ("x", "y")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1]


def test_notes_on_the_layout_speak_of_sequences(tmp_path: Path, cache: Path) -> None:
    files = {"train/x.txt": b"ab", "train/y.txt": b"ba", "test/x.txt": b"bb"}
    notes = load_dataset(write_tree(tmp_path / "data", files), cache=cache).notes
    assert "training sequences are in train (2), test sequences are in test (1)" in notes[0]
    assert "2 classes for 2 sequences are hardly classes" in " ".join(notes)


def test_files_named_like_splits_are_splits_of_one_form(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "data", {"train.txt": b"abc\nab", "test.txt": b"ba"})
    train, test = load_splits(folder, cache=cache)
    assert train.medium == test.medium == Tokens(length=3, alphabet="abc_", padding="_")
    assert test.medium.texts(test.images) == ["ba"]


def test_longer_sequences_are_cut_and_noted(tmp_path: Path, cache: Path) -> None:
    data = load_dataset(written(tmp_path, "abab\nba"), options=DataOptions(length=2), cache=cache)
    assert data.medium == Tokens(length=2, alphabet="ab")
    assert data.notes == ("1 sequences were cut to 2 symbols",)


def test_sequences_with_other_symbols_are_left_out(tmp_path: Path, cache: Path) -> None:
    text = "\n".join(["ab"] * 8 + ["ax"])
    data = load_dataset(written(tmp_path, text), options=DataOptions(alphabet="ab"), cache=cache)
    assert len(data) == 8
    assert "'x', which is not in the alphabet" in " ".join(data.notes)


def test_the_padding_is_a_symbol_that_does_not_occur(tmp_path: Path, cache: Path) -> None:
    data = load_dataset(written(tmp_path, "a_b\nab"), cache=cache)
    assert data.medium == Tokens(length=3, alphabet="_ab-", padding="-")


def test_a_padding_may_be_chosen(tmp_path: Path, cache: Path) -> None:
    options = DataOptions(padding="$", length=4)
    data = load_dataset(written(tmp_path, "ab\nba"), options=options, cache=cache)
    assert data.medium == Tokens(length=4, alphabet="ab$", padding="$")


def test_data_of_another_alphabet_have_another_fingerprint(tmp_path: Path, cache: Path) -> None:
    first = load_dataset(written(tmp_path / "1", "ab\nba"), cache=cache)
    second = load_dataset(written(tmp_path / "2", "cd\ndc"), cache=cache)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"\n \n", "a.txt", "contains no sequences"),
        (b"\xff\xfe", "a.txt", "is not UTF-8 at byte 0"),
        (b"ACGT\n", "a.fasta", "begins with 'ACGT'; FASTA begins with > and a name"),
        (b">\nACGT\n", "a.fasta", "has a record without a name"),
        (b">a\nAC\n>a\nGT\n", "a.fasta", "has two sequences with the name a"),
        (b"aaa\naaa\n", "a.txt", "have 1 symbols, 'a'; allowed are 2 to 256"),
    ],
)
def test_names_what_is_wrong(
    tmp_path: Path, cache: Path, content: bytes, name: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(write_tree(tmp_path / "data", {name: content}) / name, cache=cache)


def test_rejects_options_of_images(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UsageError, match="--channels is 1; it is for images"):
        load_dataset(written(tmp_path, "ab\nba"), options=DataOptions(channels=1), cache=cache)
