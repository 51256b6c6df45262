"""The commands `prepare-spoken-digits`, `prepare-coding-dna` and `prepare-words`."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from mirage.training.data.prepare import coding_dna, spoken_digits, words
from mirage.training.errors import UsageError

Add = Callable[..., argparse.ArgumentParser]


def add_command(add: Add) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    _add_digits(add)
    _add_dna(add)
    _add_words(add)


def _add_digits(add: Add) -> None:
    summary = "let espeak-ng speak digits, as WAV at 8 kHz, a folder per digit"
    ending = "Debian's package espeak-ng installs the program, which is licensed under GPL-3."
    parser = add("prepare-spoken-digits", help=summary, description=summary, epilog=ending)
    parser.set_defaults(command=_prepare_digits)
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--each", type=int, default=600, help="sounds per digit; default 600")
    parser.add_argument("--seed", type=int, default=0, help="decides voices, pitches and speeds")


def _add_dna(add: Add) -> None:
    summary = "cut the beginnings of open reading frames from a genome, as FASTA"
    ending = f"Debian's package {coding_dna.PACKAGE} installs the default: E. coli 536."
    parser = add("prepare-coding-dna", help=summary, description=summary, epilog=ending)
    parser.set_defaults(command=_prepare_dna)
    parser.add_argument(
        "genome", type=Path, nargs="?", default=coding_dna.GENOME, metavar="GENOME.fna.gz"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.fasta")
    length = coding_dna.LENGTH
    parser.add_argument("--length", type=int, default=length, help=f"default {length}")


def _add_words(add: Add) -> None:
    summary = "select words of a dictionary, a text file per length"
    ending = (
        f"Debian's package {words.PACKAGE} installs the default, which is in the public domain."
    )
    parser = add("prepare-words", help=summary, description=summary, epilog=ending)
    parser.set_defaults(command=_prepare_words)
    parser.add_argument(
        "dictionary", type=Path, nargs="?", default=words.DICTIONARY, metavar="DICTIONARY"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    for name, letters in (("least", words.LEAST), ("most", words.MOST)):
        parser.add_argument(
            f"--{name}", type=int, default=letters, help=f"letters; default {letters}"
        )


def _prepare_digits(options: argparse.Namespace) -> Iterator[str]:
    if options.each < 1 or options.seed < 0:
        raise UsageError(
            f"--each is {options.each} and --seed {options.seed}; allowed are 1 and 0 or more"
        )
    count = spoken_digits.write_spoken_digits(options.to, options.each, options.seed)
    yield f"{count} sounds of {spoken_digits.LENGTH} samples in {options.to}"


def _prepare_dna(options: argparse.Namespace) -> Iterator[str]:
    count = coding_dna.write_coding_dna(options.genome, options.to, options.length)
    yield f"{count} sequences of {options.length} nucleotides in {options.to}"


def _prepare_words(options: argparse.Namespace) -> Iterator[str]:
    if not 1 <= options.least <= options.most:
        raise UsageError(f"--least is {options.least} and --most {options.most}")
    count = words.write_words(options.dictionary, options.to, options.least, options.most)
    yield f"{count} words of {options.least} to {options.most} letters in {options.to}"
