"""Training data of the preset `words`: English words, a text file per length.

words/04.txt  words/12.txt
"""

from itertools import groupby
from pathlib import Path

from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import DataError

DICTIONARY = Path("/usr/share/dict/web2")
"""The words of Webster's Second International Dictionary of 1934, whose copyright has lapsed."""
PACKAGE = "miscfiles"
LEAST, MOST = 4, 12
"""Letters of a word. Two thirds of the list are in between; longer words are mostly compounds."""


def write_words(dictionary: Path, folder: Path, least: int, most: int) -> int:
    """Write the words of `least` to `most` letters, one a line; return their number.

    dictionary: one word a line. Names, and words with other characters than a to z, are left out.
    Raises DataError if the dictionary cannot be read or has no such words.
    """
    words = sorted(_words(dictionary, least, most), key=lambda word: (len(word), word))
    if not words:
        raise DataError(f"{dictionary} has no words of {least} to {most} letters from a to z")
    folder.mkdir(parents=True, exist_ok=True)
    for length, same in groupby(words, key=len):
        with atomic_write(folder / f"{length:02}.txt") as file:
            file.write("".join(f"{word}\n" for word in same).encode())
    return len(words)


def _words(dictionary: Path, least: int, most: int) -> set[str]:
    try:
        lines = dictionary.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError as error:
        reason = f"{dictionary} is missing; Debian's package {PACKAGE} installs {DICTIONARY}"
        raise DataError(reason) from error
    except OSError as error:
        raise DataError(f"{dictionary} cannot be read: {error}") from error
    words = {line.strip() for line in lines}
    return {
        word
        for word in words
        if least <= len(word) <= most and word.isascii() and word.isalpha() and word.islower()
    }
