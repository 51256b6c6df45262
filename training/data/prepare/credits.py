"""Who made the pictures of a folder, by the copyright file of their Debian package, as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mirage.training.errors import DataError

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
MOST_BYTES = 1 << 20
NAMED = 5


@dataclass(frozen=True)
class Stanza:
    """Files by patterns, those who hold the rights, and the short name of the licence."""

    patterns: tuple[str, ...]
    holders: tuple[str, ...]
    licence: str

    def covers(self, name: str) -> bool:
        """Whether it tells of a picture; folders are not looked at, for installed files have
        others than in the source package, but `folder/*` is not taken for all files."""
        return any(
            fnmatchcase(PurePosixPath(name).name, PurePosixPath(pattern).name)
            for pattern in self.patterns
            if pattern == "*" or PurePosixPath(pattern).name != "*"
        )


def write_credits(copyright_file: Path, names: Sequence[str], to: Path) -> None:
    """Write a table with author and licence of each picture; names: of the pictures.

    Raises DataError for a file of another format, and for pictures that it does not tell of.
    """
    stanzas = list(read_stanzas(copyright_file))
    found = {name: [each for each in stanzas if each.covers(name)] for name in names}
    if missing := [name for name, several in found.items() if not several]:
        raise DataError(
            f"{copyright_file} tells nothing of {len(missing)} of {len(names)} pictures: "
            f"{', '.join(missing[:NAMED])}"
        )
    lines = ["| picture | author | licence |", "|---|---|---|"]
    for name, several in found.items():
        stanza = several[-1]  # the last that fits counts
        lines.append(f"| {name} | {'; '.join(stanza.holders)} | {stanza.licence} |")
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_stanzas(path: Path) -> Iterator[Stanza]:
    """The stanzas with `Files` of a machine-readable debian/copyright, in their order."""
    with path.open(encoding="utf-8") as file:
        text = file.read(MOST_BYTES)
    if not text.startswith(FORMAT.removesuffix("/")):
        raise DataError(f"{path} does not begin with {FORMAT}")
    for paragraph in text.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph.lstrip("\n"))
        if fields["Files"]:
            holders = tuple(line.strip() for line in (fields["Copyright"] or "").splitlines())
            licence = (fields["License"] or "").partition("\n")[0]
            yield Stanza(tuple(fields["Files"].split()), holders, licence)
