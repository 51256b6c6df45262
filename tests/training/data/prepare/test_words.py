from pathlib import Path

import pytest

from mirage.training.__main__ import main
from mirage.training.data.prepare.words import write_words
from mirage.training.errors import DataError

LISTED = "zebra\nAda\nape\nant\ncan't\nnaïve\nmouse\nmouse\nox\nelephant\n"


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "web2"
    path.write_text(LISTED, encoding="utf-8")
    return path


def test_writes_lower_case_words_by_length(
    tmp_path: Path, dictionary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "words"
    options = ["--to", str(folder), "--least", "3", "--most", "5"]
    assert main(["prepare-words", str(dictionary), *options]) == 0
    assert "4 words of 3 to 5 letters" in capsys.readouterr().out
    written = {path.name: path.read_text().split() for path in folder.iterdir()}
    assert written == {"03.txt": ["ant", "ape"], "05.txt": ["mouse", "zebra"]}


def test_a_missing_dictionary_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none is missing; Debian's package miscfiles"):
        write_words(tmp_path / "none", tmp_path / "words", 4, 12)


def test_a_dictionary_without_such_words_is_an_error(tmp_path: Path, dictionary: Path) -> None:
    with pytest.raises(DataError, match="no words of 9 to 12 letters"):
        write_words(dictionary, tmp_path / "words", 9, 12)


def test_bounds_must_be_in_order(
    tmp_path: Path, dictionary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--to", str(tmp_path), "--least", "5", "--most", "4"]
    assert main(["prepare-words", str(dictionary), *options]) == 2
    assert "--least is 5 and --most 4" in capsys.readouterr().err
