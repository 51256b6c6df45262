"""Authors and licences of pictures from Debian's machine-readable copyright files, as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mirage.training.errors import DataError

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
MAX_BYTES = 1 << 20
NAMED = 5
"""Pictures listed in an error."""


@dataclass(frozen=True)
class Stanza:
    """A paragraph of the copyright file: file patterns, copyright holders, short licence name."""

    patterns: tuple[str, ...]
    holders: tuple[str, ...]
    licence: str

    def covers(self, name: str) -> bool:
        """Whether a pattern matches a picture.

        Folders are ignored, because installed files are in other folders than in the source
        package. Therefore the pattern `folder/*` matches nothing.
        """
        return any(
            fnmatchcase(PurePosixPath(name).name, PurePosixPath(pattern).name)
            for pattern in self.patterns
            if pattern == "*" or PurePosixPath(pattern).name != "*"
        )


def write_credits(copyright_file: Path, names: Sequence[str], to: Path) -> None:
    """Write a table with the author and licence of each picture.

    names: of the pictures. Raises DataError for another file format, and for pictures that the
    file does not cover.
    """
    stanzas = list(read_stanzas(copyright_file))
    found = {name: [each for each in stanzas if each.covers(name)] for name in names}
    if missing := [name for name, several in found.items() if not several]:
        raise DataError(
            f"{copyright_file} does not cover {len(missing)} of {len(names)} pictures: "
            f"{', '.join(missing[:NAMED])}"
        )
    lines = ["| picture | author | licence |", "|---|---|---|"]
    for name, several in found.items():
        stanza = several[-1]  # the last match applies, as the format specifies
        lines.append(f"| {name} | {'; '.join(stanza.holders)} | {stanza.licence} |")
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_stanzas(path: Path) -> Iterator[Stanza]:
    """Yield the stanzas with `Files` of a machine-readable debian/copyright file."""
    with path.open(encoding="utf-8") as file:
        text = file.read(MAX_BYTES)
    if not text.startswith(FORMAT.removesuffix("/")):
        raise DataError(f"{path} does not begin with {FORMAT}")
    for paragraph in text.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph.lstrip("\n"))
        if fields["Files"]:
            holders = tuple(line.strip() for line in (fields["Copyright"] or "").splitlines())
            licence = (fields["License"] or "").partition("\n")[0]
            yield Stanza(tuple(fields["Files"].split()), holders, licence)
