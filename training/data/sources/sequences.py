"""Sequences of symbols: FASTA files, and text files of one sequence a line."""

import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from mirage.training.data.cache import ArrayWriter, check_room
from mirage.training.data.options import AUTO, DataOptions, check_options
from mirage.training.data.sources.decode import convert_all
from mirage.training.data.sources.file_tree import FileTree, found_in
from mirage.training.data.sources.layout import find_layout, in_order, parents_of
from mirage.training.data.sources.source import Source, Written
from mirage.training.errors import DataError
from mirage.training.media.tokens import MAX_LENGTH, NO_PADDING, Tokens

TEXT = (".txt",)
FASTA = (".fasta", ".fa", ".fna", ".ffn", ".faa", ".frn")
SUFFIXES = (*TEXT, *FASTA)
PADDINGS = "_-. ~*"
"""The first that is no symbol of the sequences ends those that are shorter than others."""
MAX_SYMBOLS = 256
NOUN = "sequences"


def is_sequences(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def sequences_of(tree: FileTree, split: str, splits: str = AUTO) -> Source | None:
    """The sequences of one split of a tree, None without any; parameters as of `pictures_of`.

    Each of several files counts as a folder of its sequences. Files named like train and test are
    therefore splits, and other files, or the folders that they are in, are classes.
    """
    files = in_order(filter(is_sequences, tree.names))
    texts: dict[str, str] = {}
    for file in files:
        folder = f"{PurePosixPath(file).with_suffix('')}/" if len(files) > 1 else ""
        for name, text in _read(tree, file):
            if folder + name in texts:
                raise DataError(f"{tree.place} has two sequences with the name {folder}{name}")
            texts[folder + name] = text
    if not texts:
        return None
    folders = sorted(tree.folders) if len(files) == 1 else _folders(texts)
    layout = find_layout(tree.place, list(texts), folders, split, splits, NOUN)
    own = [texts[layout.root + name] for name in layout.names]

    def write(source: Source, file: Path, options: DataOptions, workers: int | None) -> Written:
        return write_sequences(source, own, file, options, workers)

    found = found_in(tree, layout, is_sequences, NOUN)
    return Source(picture=_picture, write=write, **found | {"state": tree.state(files)})


def _folders(names: Iterable[str]) -> list[str]:
    return sorted({folder for name in names for folder in parents_of(name)})


def _picture(index: int) -> Image.Image:
    raise DataError("is a sequence, and images are expected")


def _read(tree: FileTree, file: str) -> Iterator[tuple[str, str]]:
    """Name and text of each sequence of a file."""
    try:
        content = tree.read(file, None).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} in {tree.place} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file} in {tree.place} cannot be read: {error}") from error
    if file.lower().endswith(FASTA):
        return parse_fasta(f"{tree.place}/{file}", content)
    return parse_lines(content)


def lines_of(content: str) -> Iterable[str]:
    """Lines that end as those of files do; `str.splitlines` would end them at U+2028 and others."""
    return io.StringIO(content, newline=None)


def parse_lines(content: str) -> Iterator[tuple[str, str]]:
    """Number and text of each line that is not blank, in Unicode's normal form C."""
    for number, line in enumerate(lines_of(content), 1):
        if text := unicodedata.normalize("NFC", line).strip():
            yield f"{number:07d}", text


def parse_fasta(place: str, content: str) -> Iterator[tuple[str, str]]:
    """Name and symbols, as capitals, of each record; the name is the first word of its header."""
    name, parts = "", [""]
    for line in map(str.strip, lines_of(content)):
        if line.startswith(">"):
            if name:
                yield name, "".join(parts)
            words = line[1:].split()
            if not words:
                raise DataError(f"{place} has a record without a name")
            name, parts = words[0].replace("/", "_"), []
        elif line and not line.startswith(";"):
            if not name:
                raise DataError(
                    f"{place} begins with {line[:20]!r}; FASTA begins with > and a name"
                )
            parts.append("".join(line.split()).upper())
    if name:
        yield name, "".join(parts)


def write_sequences(
    source: Source, texts: Sequence[str], file: Path, options: DataOptions, workers: int | None
) -> Written:
    """Write sequences as tokens uint8 [N, L].

    Longer sequences are cut to `length`; shorter ones end with the padding. Without options, the
    length is that of the longest, symbols are all that occur in order of their code points, and
    there is a padding, the last symbol, only if a sequence is shorter than others.
    """
    check_options(options, NOUN)
    medium = _form(source, texts, options)
    check_room(file.parent, len(texts) * medium.length)
    numbers = {symbol: number for number, symbol in enumerate(medium.alphabet)}

    def convert(index: int) -> np.ndarray:
        return _tokens(texts[index], medium, numbers)

    with ArrayWriter(file, (medium.length,)) as writer:
        broken = convert_all(source, convert, medium.length, options, writer.append, workers)
    cut = sum(len(text) > medium.length for text in texts)
    notes = (f"{cut:,} sequences were cut to {medium.length:,} symbols",) if cut else ()
    return Written(medium, broken, notes)


def _tokens(text: str, medium: Tokens, numbers: dict[str, int]) -> np.ndarray:
    """The tokens uint8 [L] of a text; raises ValueError for a symbol outside of the alphabet."""
    cut = text[: medium.length]
    if strange := set(cut) - (set(numbers) - {medium.padding}):
        raise ValueError(f"has the symbol {min(strange)!r}, which is not in the alphabet")
    if len(cut) < medium.length and medium.padding is None:
        raise ValueError(f"has {len(cut)} symbols; without padding {medium.length} are needed")
    return np.array(
        [numbers[symbol] for symbol in cut.ljust(medium.length, medium.padding or " ")], np.uint8
    )


def _form(source: Source, texts: Sequence[str], options: DataOptions) -> Tokens:
    """Length, alphabet and padding of all sequences; raises DataError."""
    length = options.length or max(map(len, texts))
    if length > MAX_LENGTH:
        raise DataError(
            f"sequences of {source.place} have {length:,} symbols; at most {MAX_LENGTH:,} are "
            "allowed; pass --length N to keep the first N"
        )
    symbols = options.alphabet or "".join(sorted({*"".join(texts)}))
    symbols = "".join(symbol for symbol in symbols if symbol.isprintable())
    padding = options.padding
    if padding is None and any(len(text) < length for text in texts):
        padding = next((each for each in PADDINGS if each not in symbols), None)
        if padding is None:
            raise DataError(
                f"sequences of {source.place} differ in length and have all of {PADDINGS!r} as "
                "symbols; pass --padding with a character that ends a sequence"
            )
    padding = None if padding == NO_PADDING else padding
    alphabet = symbols.replace(padding or "", "") + (padding or "") if padding else symbols
    if not 2 <= len(alphabet) <= MAX_SYMBOLS:
        raise DataError(
            f"sequences of {source.place} have {len(alphabet)} symbols, {alphabet[:20]!r}; allowed "
            f"are 2 to {MAX_SYMBOLS}; pass --alphabet with those to keep"
        )
    return Tokens(length=length, alphabet=alphabet, padding=padding)
