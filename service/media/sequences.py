"""Tokens as text: one sequence a line, or FASTA."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.details import Symbols

Tokens = NDArray[np.uint8]  # [L]

TEXT, FASTA = "text/plain", "text/x-fasta"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # a token beyond the alphabet
FASTA_LINE = 80  # characters, what NCBI recommends at most
# What a line of a FASTA sequence can hold: letters, gaps and stops (NCBI, BLAST input formats).
FASTA_SYMBOLS = re.compile(r"[A-Za-z*-]*")


def decode(tokens: Tokens, symbols: Symbols) -> str:
    """The text of uint8 `[L]`, up to its first padding."""
    text = tokens.tobytes().decode("latin-1").translate(_characters(symbols.alphabet))
    return text if symbols.padding is None else text.partition(symbols.padding)[0]


def lines(texts: Iterable[str]) -> bytes:
    """One sequence a line, UTF-8."""
    return "".join(f"{text}\n" for text in texts).encode()


def fits_fasta(symbols: Symbols) -> bool:
    """Whether all sequences of an alphabet can be written as FASTA."""
    used = symbols.alphabet.replace(symbols.padding or "", "")
    return FASTA_SYMBOLS.fullmatch(used) is not None


def fasta(titles: Iterable[str], texts: Iterable[str]) -> bytes:
    """Sequences below their titles, in lines of 80 characters, UTF-8."""
    return "".join(_record(*each) for each in zip(titles, texts, strict=True)).encode()


def _record(title: str, text: str) -> str:
    return "".join(f"{line}\n" for line in (f">{title}", *_wrapped(text)))


def _wrapped(text: str) -> Iterator[str]:
    for start in range(0, len(text), FASTA_LINE):
        yield text[start : start + FASTA_LINE]


@lru_cache(64)
def _characters(alphabet: str) -> dict[int, str]:
    """The character of each token."""
    return {token: alphabet[token] if token < len(alphabet) else UNKNOWN for token in range(256)}
